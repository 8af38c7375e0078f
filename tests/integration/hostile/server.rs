//! An SSH server just whole enough to be hostile at any point: it sends what no
//! library would, encrypted or not, and counts what the client takes.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use openssl::derive::Deriver;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::Signer;
use openssl::symm::{Cipher, Crypter, Mode};
use sha2::{Digest as _, Sha256};

const BANNER: &str = "SSH-2.0-Hostile_1";
const METHODS: [&str; 10] = [
    "curve25519-sha256",
    "ssh-ed25519",
    "aes128-ctr",
    "aes128-ctr",
    "hmac-sha2-256",
    "hmac-sha2-256",
    "none",
    "none",
    "",
    "",
];

const DISCONNECT: u8 = 1;
pub(super) const IGNORE: u8 = 2;
/// A type that nobody has defined.
pub(super) const UNKNOWN: u8 = 0xc0;
const CHANNEL_DATA: u8 = 94;

/// When it becomes hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// In the place of its keys.
    BeforeKeys,
    /// In the place of its judgement on a password.
    AtPassword,
    /// In the place of its answer to a command.
    AtCommand,
    /// As a jump host, in the place of a tunnel.
    AtTunnel,
    /// As a jump host, in the place of what the target says.
    InTunnel,
}

/// What it does from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Sends packets of this type and size, one after the other.
    Flood(u8, usize),
    /// The same, with a byte of data for the first channel now and then.
    FloodWithData(u8, usize),
    /// Sends data for the command's channel, whatever the window says.
    Overflow,
    /// Sends a packet that means nothing, now and then.
    Trickle,
    /// Resets the connection.
    Reset,
    /// Says no, and closes the connection when it is asked for more.
    Refuse,
    /// Closes the connection with these words.
    Farewell(&'static str),
}

/// A running server; it ends with its handle, and so do its connections.
pub(super) struct Hostile {
    pub(super) address: SocketAddr,
    /// How many bytes were sent since it became hostile.
    pub(super) sent: Arc<AtomicU64>,
    listener: TcpListener,
}

impl Hostile {
    pub(super) fn start(when: When, deed: Deed) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let (accepting, counter) = (listener.try_clone().unwrap(), Arc::clone(&sent));
        let key = PKey::generate_ed25519().unwrap();
        thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                let (key, counter) = (key.clone(), Arc::clone(&counter));
                thread::spawn(move || {
                    // The client may go whenever it likes.
                    let _ = Peer::new(stream).serve(&key, when, deed, &counter);
                });
            }
        });
        Self { address, sent, listener }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}

type Outcome<T = ()> = std::io::Result<T>;

/// One direction of an encrypted stream.
struct Keys {
    cipher: Crypter,
    mac: PKey<Private>,
}

struct Peer {
    stream: TcpStream,
    outward: Option<Keys>,
    inward: Option<Keys>,
    sent: u32,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, outward: None, inward: None, sent: 0 }
    }

    fn serve(
        &mut self,
        key: &PKey<Private>,
        when: When,
        deed: Deed,
        counter: &AtomicU64,
    ) -> Outcome {
        self.stream.write_all(format!("{BANNER}\r\n").as_bytes())?;
        if when == When::BeforeKeys {
            return self.misbehave(deed, counter);
        }
        self.exchange_keys(key)?;
        loop {
            let packet = self.receive()?;
            let answer = match packet[0] {
                // A request for a service is granted.
                5 => [&[6][..], &packet[1..]].concat(),
                50 if contains(&packet, b"password") && when == When::AtPassword => {
                    return self.misbehave(deed, counter);
                }
                50 if contains(&packet, b"password") => vec![52],
                50 => [vec![51], text(b"password"), vec![0]].concat(),
                90 if when == When::AtTunnel => return self.misbehave(deed, counter),
                // Every channel is opened: the first is the client's 0 and ours.
                90 => {
                    let length = u32::from_be_bytes(packet[1..5].try_into().unwrap()) as usize;
                    let theirs = &packet[5 + length..9 + length];
                    let window = 0x0020_0000_u32.to_be_bytes();
                    let answer =
                        [&[91], theirs, theirs, &window, &0x8000_u32.to_be_bytes()].concat();
                    if when == When::InTunnel {
                        self.send(&answer)?;
                        return self.misbehave(deed, counter);
                    }
                    answer
                }
                98 if contains(&packet, b"exec") && when == When::AtCommand => {
                    self.send(&[99, 0, 0, 0, 0])?;
                    return self.misbehave(deed, counter);
                }
                98 => [&[99], &packet[1..5]].concat(),
                _ => continue,
            };
            self.send(&answer)?;
        }
    }

    fn misbehave(&mut self, deed: Deed, counter: &AtomicU64) -> Outcome {
        // The client still says something now and then, which must not fill its socket.
        let mut heard = self.stream.try_clone()?;
        if !matches!(deed, Deed::Reset | Deed::Refuse) {
            thread::spawn(move || std::io::copy(&mut heard, &mut std::io::sink()));
        }
        let flood = match deed {
            Deed::Flood(kind, size) | Deed::FloodWithData(kind, size) => {
                [vec![kind], text(&vec![b'x'; size])].concat()
            }
            Deed::Overflow => [&[CHANNEL_DATA, 0, 0, 0, 0][..], &text(&[b'x'; 16384])].concat(),
            Deed::Trickle => loop {
                self.send(&[&[IGNORE][..], &text(b"")].concat())?;
                thread::sleep(Duration::from_millis(20));
            },
            Deed::Reset => {
                let now = Some(Duration::ZERO);
                return Ok(rustix::net::sockopt::set_socket_linger(&self.stream, now)?);
            }
            Deed::Refuse => {
                self.send(&[vec![51], text(b"password"), vec![0]].concat())?;
                return self.receive().map(drop);
            }
            Deed::Farewell(words) => {
                let packet = [&[DISCONNECT, 0, 0, 0, 2], &*text(words.as_bytes()), &*text(b"")];
                self.send(&packet.concat())?;
                let _ = self.stream.shutdown(Shutdown::Write);
                thread::sleep(Duration::from_secs(1));
                return Ok(());
            }
        };
        for round in 0_u64.. {
            let mut wire = Vec::with_capacity(64 * 1024);
            if matches!(deed, Deed::FloodWithData(..)) && round % 8 == 0 {
                wire = self.sealed(&[&[CHANNEL_DATA, 0, 0, 0, 0][..], &text(b"x")].concat());
            }
            while wire.len() < 32 * 1024 {
                wire.append(&mut self.sealed(&flood));
            }
            self.stream.write_all(&wire)?;
            counter.fetch_add(wire.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn exchange_keys(&mut self, host_key: &PKey<Private>) -> Outcome {
        let mut banner = Vec::new();
        while !banner.ends_with(b"\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            banner.push(byte[0]);
        }
        let banner = banner.strip_suffix(b"\r\n").unwrap().to_vec();
        let mut offer = vec![20];
        offer.extend_from_slice(&[7; 16]);
        METHODS.iter().for_each(|names| offer.append(&mut text(names.as_bytes())));
        offer.extend_from_slice(&[0; 5]);
        self.send(&offer)?;
        let theirs = self.receive()?;
        let request = self.receive()?;

        let ours = PKey::generate_x25519().unwrap();
        let point = PKey::public_key_from_raw_bytes(&request[5..37], Id::X25519).unwrap();
        let mut deriver = Deriver::new(&ours).unwrap();
        deriver.set_peer(&point).unwrap();
        let secret = number(&deriver.derive_to_vec().unwrap());
        let blob = [text(b"ssh-ed25519"), text(&host_key.raw_public_key().unwrap())].concat();
        let point = ours.raw_public_key().unwrap();
        let mut hash = Sha256::new();
        for part in
            [&banner[..], BANNER.as_bytes(), &theirs, &offer, &blob, &request[5..37], &point]
        {
            hash.update(text(part));
        }
        hash.update(&secret);
        let hash = hash.finalize();
        let signature =
            Signer::new_without_digest(host_key).unwrap().sign_oneshot_to_vec(&hash).unwrap();
        let signature = [text(b"ssh-ed25519"), text(&signature)].concat();
        self.send(&[&[31][..], &text(&blob), &text(&point), &text(&signature)].concat())?;
        self.send(&[21])?;
        let keys = |mode, iv: u8, key: u8, mac: u8| {
            let derived = |name: u8| {
                let parts = [&secret[..], &hash, &[name], &hash].concat();
                Sha256::digest(parts).to_vec()
            };
            let (cipher, key, iv) = (Cipher::aes_128_ctr(), derived(key), derived(iv));
            let cipher = Crypter::new(cipher, mode, &key[..16], Some(&iv[..16])).unwrap();
            Keys { cipher, mac: PKey::hmac(&derived(mac)).unwrap() }
        };
        self.outward = Some(keys(Mode::Encrypt, b'B', b'D', b'F'));
        while self.receive()? != [21] {}
        self.inward = Some(keys(Mode::Decrypt, b'A', b'C', b'E'));
        Ok(())
    }

    fn send(&mut self, payload: &[u8]) -> Outcome {
        let wire = self.sealed(payload);
        self.stream.write_all(&wire)
    }

    fn sealed(&mut self, payload: &[u8]) -> Vec<u8> {
        let block = if self.outward.is_some() { 16 } else { 8 };
        let mut padding = block - (5 + payload.len()) % block;
        if padding < 4 {
            padding += block;
        }
        let length = u32::try_from(1 + payload.len() + padding).unwrap();
        let mut packet = length.to_be_bytes().to_vec();
        packet.push(u8::try_from(padding).unwrap());
        packet.extend_from_slice(payload);
        packet.resize(packet.len() + padding, 0);
        let number = self.sent;
        self.sent = self.sent.wrapping_add(1);
        let Some(keys) = &mut self.outward else { return packet };
        // By OpenSSL, or a client would read faster than it is flooded.
        let mut mac = Signer::new(MessageDigest::sha256(), &keys.mac).unwrap();
        mac.update(&number.to_be_bytes()).unwrap();
        mac.update(&packet).unwrap();
        let mut wire = vec![0; packet.len() + block];
        let count = keys.cipher.update(&packet, &mut wire).unwrap();
        wire.truncate(count);
        wire.extend_from_slice(&mac.sign_to_vec().unwrap());
        wire
    }

    /// The next packet; its signature is not looked at.
    fn receive(&mut self) -> Outcome<Vec<u8>> {
        let mut head = vec![0; 16];
        self.read(&mut head)?;
        let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        let mut rest = vec![0; length + 4 - 16];
        self.read(&mut rest)?;
        if self.inward.is_some() {
            self.stream.read_exact(&mut [0; 32])?;
        }
        let packet = [head, rest].concat();
        let padding = usize::from(packet[4]);
        Ok(packet[5..packet.len() - padding].to_vec())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Outcome {
        self.stream.read_exact(buffer)?;
        if let Some(keys) = &mut self.inward {
            let mut plain = vec![0; buffer.len() + 16];
            let count = keys.cipher.update(buffer, &mut plain).unwrap();
            buffer.copy_from_slice(&plain[..count]);
        }
        Ok(())
    }
}

fn contains(packet: &[u8], name: &[u8]) -> bool {
    packet.windows(name.len()).any(|window| window == name)
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A positive number, as the protocol writes it.
fn number(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut digits = bytes[zeros..].to_vec();
    if digits.first().is_some_and(|first| first & 0x80 != 0) {
        digits.insert(0, 0);
    }
    text(&digits)
}
