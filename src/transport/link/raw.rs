//! What libssh2 can do and `ssh2` has no name for: reading by a function of ours, no
//! limit of its own on how long an answer may take, and signatures that are made
//! elsewhere.
#![expect(unsafe_code, reason = "these functions of libssh2 are reached in no other way")]

use std::ffi::{CString, c_char, c_int, c_long, c_void};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ssh2::{ErrorCode, Session};

use super::intake::{self, Farewell};

/// `LIBSSH2_CALLBACK_DISCONNECT` and `LIBSSH2_CALLBACK_RECV`.
const DISCONNECT: c_int = 2;
const RECV: c_int = 6;
/// `LIBSSH2_ERROR_ALGO_UNSUPPORTED`: libssh2 asks for another kind of signature.
const ALGORITHM_UNSUPPORTED: c_int = -33;
/// `LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED`, what a refusal to sign becomes.
const PUBLICKEY_UNVERIFIED: c_int = -19;
/// Our deadlines are nearer than any that libssh2 could set: 68 years.
const NO_LIMIT: c_long = i32::MAX as c_long;

type Callback = unsafe extern "C" fn();
type Receive = unsafe extern "C" fn(
    socket: c_int,
    buffer: *mut c_void,
    length: usize,
    flags: c_int,
    data: *mut *mut c_void,
) -> isize;
type Disconnected = unsafe extern "C" fn(
    session: *mut c_void,
    reason: c_int,
    message: *const c_char,
    message_length: c_int,
    language: *const c_char,
    language_length: c_int,
    data: *mut *mut c_void,
);
type Sign = unsafe extern "C" fn(
    session: *mut c_void,
    signature: *mut *mut u8,
    signature_length: *mut usize,
    data: *const u8,
    data_length: usize,
    signer: *mut *mut c_void,
) -> c_int;

unsafe extern "C" {
    fn libssh2_session_set_read_timeout(session: *mut c_void, seconds: c_long);
    fn libssh2_session_callback_set2(
        session: *mut c_void,
        kind: c_int,
        callback: Option<Callback>,
    ) -> Option<Callback>;
    fn libssh2_userauth_publickey(
        session: *mut c_void,
        user: *const c_char,
        key: *const u8,
        key_length: usize,
        sign: Sign,
        signer: *mut *mut c_void,
    ) -> c_int;
    fn malloc(size: usize) -> *mut c_void;
}

/// Why there is no signature.
pub(in crate::transport) enum Unsigned {
    /// It would be of another kind than the one that was asked for.
    OtherKind,
    /// The signer does not sign.
    Refused,
}

/// Who signs: takes what to sign.
pub(in crate::transport) type Signer<'s> = dyn FnMut(&[u8]) -> Result<Vec<u8>, Unsigned> + 's;

/// Has the session read by [`intake`], and leaves all limits to the caller.
pub(in crate::transport) fn prepare(session: &Session) {
    let mut guard = session.raw();
    let raw = std::ptr::from_mut(&mut *guard).cast::<c_void>();
    // SAFETY: the guard holds the session, alive and for this thread alone. The two
    // functions have the types that libssh2 calls them by for these kinds, which is
    // what its generic function pointer stands for.
    unsafe {
        libssh2_session_set_read_timeout(raw, NO_LIMIT);
        let receive = std::mem::transmute::<Receive, Callback>(receive);
        libssh2_session_callback_set2(raw, RECV, Some(receive));
        let disconnected = std::mem::transmute::<Disconnected, Callback>(disconnected);
        libssh2_session_callback_set2(raw, DISCONNECT, Some(disconnected));
    }
}

/// Authenticates with a key whose private half somebody else has. The signer is asked
/// once the server wants the key.
pub(in crate::transport) fn sign_in(
    session: &Session,
    user: &str,
    key: &[u8],
    signer: &mut Signer<'_>,
) -> Result<(), ssh2::Error> {
    let user = CString::new(user)?;
    let mut signer: &mut Signer<'_> = signer;
    let code = {
        let mut guard = session.raw();
        let raw = std::ptr::from_mut(&mut *guard).cast::<c_void>();
        let signer = std::ptr::from_mut(&mut signer).cast::<*mut c_void>();
        // SAFETY: the guard holds the session, alive and for this thread alone; name
        // and key outlive the call, which copies them. libssh2 hands `signer` through
        // to `sign` as it is, during this call only.
        unsafe {
            libssh2_userauth_publickey(raw, user.as_ptr(), key.as_ptr(), key.len(), sign, signer)
        }
    };
    match code {
        0 => Ok(()),
        code => Err(ssh2::Error::last_session_error(session)
            .unwrap_or_else(|| ssh2::Error::from_errno(ErrorCode::Session(code)))),
    }
}

/// Reads for libssh2.
unsafe extern "C" fn receive(
    socket: c_int,
    buffer: *mut c_void,
    length: usize,
    flags: c_int,
    _: *mut *mut c_void,
) -> isize {
    if !intake::may_read() {
        return -(Errno::AGAIN.raw_os_error() as isize);
    }
    // SAFETY: libssh2 reads from the socket that the session owns, into a buffer of
    // its own of this length, which nobody else sees meanwhile.
    let (socket, buffer) = unsafe {
        let buffer = slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<u8>>(), length);
        (BorrowedFd::borrow_raw(socket), buffer)
    };
    let flags = RecvFlags::from_bits_retain(flags.cast_unsigned());
    let read = recv(socket, buffer, flags).map(|((read, _), _)| read.len());
    intake::has_read(read);
    match read {
        Ok(count) => count.cast_signed(),
        Err(Errno::INTR) => -(Errno::AGAIN.raw_os_error() as isize),
        Err(error) => -(error.raw_os_error() as isize),
    }
}

/// Hears why the server ends the connection.
unsafe extern "C" fn disconnected(
    _: *mut c_void,
    reason: c_int,
    message: *const c_char,
    message_length: c_int,
    _: *const c_char,
    _: c_int,
    _: *mut *mut c_void,
) {
    let text = match usize::try_from(message_length) {
        // SAFETY: libssh2 shows a part of the packet, of this length, for this call.
        Ok(length) if !message.is_null() => unsafe {
            slice::from_raw_parts(message.cast::<u8>(), length)
        },
        _ => &[],
    };
    intake::has_heard(Farewell::new(reason, text));
}

/// Asks the signer, and puts the signature where libssh2 will free it.
unsafe extern "C" fn sign(
    _: *mut c_void,
    signature: *mut *mut u8,
    signature_length: *mut usize,
    data: *const u8,
    data_length: usize,
    signer: *mut *mut c_void,
) -> c_int {
    // SAFETY: `sign_in` gave this pointer, to a signer that outlives its call, and the
    // data is libssh2's for this call.
    let (signer, data) = unsafe {
        (&mut *signer.cast::<&mut Signer<'_>>(), slice::from_raw_parts(data, data_length))
    };
    // A panic must not cross libssh2.
    let signed = match catch_unwind(AssertUnwindSafe(|| signer(data))) {
        Ok(Ok(signed)) => signed,
        Ok(Err(Unsigned::OtherKind)) => return ALGORITHM_UNSUPPORTED,
        Ok(Err(Unsigned::Refused)) | Err(_) => return PUBLICKEY_UNVERIFIED,
    };
    // SAFETY: libssh2 frees it by `free`, for `ssh2` leaves its allocator alone. The
    // memory is as long as what is written there.
    unsafe {
        let memory = malloc(signed.len().max(1)).cast::<u8>();
        if memory.is_null() {
            return PUBLICKEY_UNVERIFIED;
        }
        memory.copy_from_nonoverlapping(signed.as_ptr(), signed.len());
        *signature = memory;
        *signature_length = signed.len();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn libssh2_session_get_read_timeout(session: *mut c_void) -> c_long;
    }

    #[test]
    fn libssh2_sets_no_limit_of_its_own() {
        let session = Session::new().unwrap();
        prepare(&session);
        let mut guard = session.raw();
        let raw = std::ptr::from_mut(&mut *guard).cast::<c_void>();
        // SAFETY: the guard holds the session.
        assert_eq!(unsafe { libssh2_session_get_read_timeout(raw) }, NO_LIMIT);
    }
}
