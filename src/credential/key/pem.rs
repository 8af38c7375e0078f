//! Keys in PEM form: PKCS#1, SEC1 and PKCS#8, read by OpenSSL.

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};

use super::KeyError;
use super::armor::Armor;

/// Reads the key, decrypting it where it is encrypted.
pub(super) fn parse(
    armor: &Armor<'_>,
    passphrase: Option<&str>,
) -> Result<PKey<Private>, KeyError> {
    let encrypted = armor.label == "ENCRYPTED PRIVATE KEY"
        || armor.headers.iter().any(|header| header.contains("ENCRYPTED"));
    let pem = armor.to_pem();
    match (encrypted, passphrase) {
        (true, None) => Err(KeyError::PassphraseRequired),
        (false, Some(_)) => {
            read(pem.as_bytes(), None).map_err(|error| damaged(&error))?;
            Err(KeyError::PassphraseUnneeded)
        }
        (true, Some(passphrase)) => {
            read(pem.as_bytes(), Some(passphrase)).map_err(|error| undecryptable(&error))
        }
        (false, None) => read(pem.as_bytes(), None).map_err(|error| damaged(&error)),
    }
}

fn read(pem: &[u8], passphrase: Option<&str>) -> Result<PKey<Private>, ErrorStack> {
    // With a callback OpenSSL never asks on the terminal.
    PKey::private_key_from_pem_callback(pem, |buffer| {
        let passphrase = passphrase.unwrap_or_default().as_bytes();
        let Some(room) = buffer.get_mut(..passphrase.len()) else { return Ok(0) };
        room.copy_from_slice(passphrase);
        Ok(passphrase.len())
    })
}

/// Decryption has no checksum: a wrong passphrase shows as bad padding, or, once
/// in a while, as a structure that makes no sense, which decoders call unsupported. So
/// whatever is not plainly something else counts as a wrong passphrase.
fn undecryptable(error: &ErrorStack) -> KeyError {
    let is_decoder = |library: &str| library.contains("DECODER");
    let unsupported = error.errors().iter().any(|error| {
        !error.library().is_some_and(is_decoder)
            && error.reason().is_some_and(|reason| {
                reason.contains("unsupported") || reason.contains("unknown pbe algorithm")
            })
    });
    let bad_decrypt = error.errors().iter().any(|error| {
        error
            .reason()
            .is_some_and(|reason| reason.contains("bad decrypt") || reason.contains("cipherfinal"))
    });
    if unsupported && !bad_decrypt {
        KeyError::Unsupported("this encryption of a private key".to_owned())
    } else {
        KeyError::PassphraseWrong
    }
}

fn damaged(_error: &ErrorStack) -> KeyError {
    KeyError::Corrupt("it is truncated or altered".to_owned())
}
