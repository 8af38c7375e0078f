//! What this machine is out of, told apart from what is wrong with a host.

use std::io;

use rustix::io::Errno;

use crate::failure::{ErrorCode, Failure};

/// The failure to connect to `address` because of `error`, where that is a shortage on
/// this machine.
pub(super) fn shortage(address: &str, error: &io::Error) -> Option<Failure> {
    let (what, help) = match Errno::from_io_error(error)? {
        Errno::MFILE => (
            "this process may have no more open files",
            "lower `--forks` or use smaller batches (`serial`), or raise the limit (`ulimit -n`, \
             `LimitNOFILE=`)",
        ),
        Errno::NFILE => (
            "this machine may have no more open files",
            "lower `--forks`, or raise the limit (`sysctl fs.file-max`)",
        ),
        Errno::NOMEM | Errno::NOBUFS => (
            "this machine is out of memory",
            "lower `--forks`, or give this machine or container more memory",
        ),
        _ => return None,
    };
    let message = format!("cannot connect to `{address}`: {what}");
    Some(Failure::new(ErrorCode::ConnectFailed, message).with_help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_no_fault_of_the_host() {
        let told = |errno: Errno| shortage("h:22", &errno.into());
        for (errno, part) in
            [(Errno::MFILE, "open files"), (Errno::NFILE, "open files"), (Errno::NOMEM, "memory")]
        {
            let failure = told(errno).unwrap();
            assert_eq!(failure.code, ErrorCode::ConnectFailed);
            assert!(failure.message.contains(part) && failure.help.is_some(), "{failure:?}");
        }
        assert_eq!(told(Errno::CONNREFUSED), None);
        assert_eq!(shortage("h:22", &io::Error::other("no number")), None);
    }
}
