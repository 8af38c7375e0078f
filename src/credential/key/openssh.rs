//! Keys in OpenSSH's own form.
//!
//! The container is read here, because the `ssh-key` crate (0.6) refuses ECDSA
//! keys whose private number has leading zero bytes, which is every second
//! P-521 key; its ciphers and its key derivation serve well.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::RsaPrivateKeyBuilder;
use ssh_key::{Cipher, Kdf};
use zeroize::Zeroizing;

use super::KeyError;
use super::armor::Armor;

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Reads the key, decrypting it where it is encrypted.
pub(super) fn parse(
    armor: &Armor<'_>,
    passphrase: Option<&str>,
) -> Result<PKey<Private>, KeyError> {
    let body = armor.body.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let mut outer = Reader(body);
    let cipher = outer.text()?;
    let kdf = outer.text()?;
    let mut kdf_options = Reader(outer.string()?);
    if outer.number()? != 1 {
        return Err(KeyError::Unsupported("a file with several keys".to_owned()));
    }
    let _public = outer.string()?;
    let private = outer.string()?;
    let private = match (cipher, passphrase) {
        ("none", Some(_)) => return Err(KeyError::PassphraseUnneeded),
        ("none", None) => Zeroizing::new(private.to_vec()),
        (_, None) => return Err(KeyError::PassphraseRequired),
        (cipher, Some(passphrase)) => {
            if kdf != "bcrypt" {
                return Err(KeyError::Unsupported(format!("the key derivation `{kdf}`")));
            }
            let salt = kdf_options.string()?.to_vec();
            let kdf = Kdf::Bcrypt { salt, rounds: kdf_options.number()? };
            decrypt(cipher, &kdf, passphrase, private, outer.0)?
        }
    };
    let mut private = Reader(&private);
    if private.number()? != private.number()? {
        // The two check numbers tell whether decryption made sense.
        return Err(match passphrase {
            Some(_) => KeyError::PassphraseWrong,
            None => damaged(),
        });
    }
    keypair(&mut private)
}

fn decrypt(
    cipher: &str,
    kdf: &Kdf,
    passphrase: &str,
    private: &[u8],
    rest: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let unsupported = || KeyError::Unsupported(format!("the cipher `{cipher}` for a private key"));
    let known = Cipher::new(cipher).map_err(|_| unsupported())?;
    let tag = match known.has_tag() {
        true => Some(rest.try_into().map_err(|_| damaged())?),
        false => None,
    };
    if private.is_empty() || !private.len().is_multiple_of(known.block_size()) {
        return Err(damaged());
    }
    let (key, iv) = kdf.derive_key_and_iv(known, passphrase).map_err(|_| damaged())?;
    let mut buffer = Zeroizing::new(private.to_vec());
    known.decrypt(&key, &iv, &mut buffer, tag).map_err(|error| {
        match error.to_string().as_str() {
            text if text.contains("unsupported") => unsupported(),
            _ => KeyError::PassphraseWrong,
        }
    })?;
    Ok(buffer)
}

fn keypair(reader: &mut Reader<'_>) -> Result<PKey<Private>, KeyError> {
    match reader.text()? {
        "ssh-ed25519" => ed25519(reader),
        "ssh-rsa" => rsa(reader),
        "ecdsa-sha2-nistp256" => ecdsa(reader, Nid::X9_62_PRIME256V1),
        "ecdsa-sha2-nistp384" => ecdsa(reader, Nid::SECP384R1),
        "ecdsa-sha2-nistp521" => ecdsa(reader, Nid::SECP521R1),
        "ssh-dss" => Err(KeyError::Dsa),
        other if other.starts_with("sk-") => {
            Err(KeyError::Unsupported("a key that lives in a security token".to_owned()))
        }
        other => Err(KeyError::Unsupported(format!("the key type `{other}`"))),
    }
}

fn ed25519(reader: &mut Reader<'_>) -> Result<PKey<Private>, KeyError> {
    let _public = reader.string()?;
    let seed = reader.string()?.get(..32).ok_or_else(damaged)?;
    PKey::private_key_from_raw_bytes(seed, Id::ED25519).map_err(nonsense)
}

fn ecdsa(reader: &mut Reader<'_>, curve: Nid) -> Result<PKey<Private>, KeyError> {
    let _curve = reader.string()?;
    let point = reader.string()?;
    let number = reader.string()?;
    let build = || {
        let group = EcGroup::from_curve_name(curve)?;
        let mut context = BigNumContext::new()?;
        let point = EcPoint::from_bytes(&group, point, &mut context)?;
        let number = BigNum::from_slice(number)?;
        let key = EcKey::from_private_components(&group, &number, &point)?;
        key.check_key()?;
        PKey::from_ec_key(key)
    };
    build().map_err(nonsense)
}

fn rsa(reader: &mut Reader<'_>) -> Result<PKey<Private>, KeyError> {
    let mut numbers: [&[u8]; 6] = [&[]; 6];
    for number in &mut numbers {
        *number = reader.string()?;
    }
    let build = || {
        let [n, e, d, iqmp, p, q] = numbers.map(BigNum::from_slice);
        let (n, e, d, iqmp, p, q) = (n?, e?, d?, iqmp?, p?, q?);
        let (dmp1, dmq1) = (reduced(&d, &p)?, reduced(&d, &q)?);
        let key = RsaPrivateKeyBuilder::new(n, e, d)?
            .set_factors(p, q)?
            .set_crt_params(dmp1, dmq1, iqmp)?
            .build();
        PKey::from_rsa(key)
    };
    build().map_err(nonsense)
}

/// `exponent mod (prime - 1)`.
fn reduced(exponent: &BigNumRef, prime: &BigNumRef) -> Result<BigNum, ErrorStack> {
    let mut below = prime.to_owned()?;
    below.sub_word(1)?;
    let mut result = BigNum::new_secure()?;
    result.nnmod(exponent, &below, &mut *BigNumContext::new_secure()?)?;
    Ok(result)
}

/// Reads the length-prefixed fields of SSH's wire format.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn number(&mut self) -> Result<u32, KeyError> {
        let (number, rest) = self.0.split_first_chunk::<4>().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Result<&'b [u8], KeyError> {
        let length = usize::try_from(self.number()?).map_err(|_| damaged())?;
        let (string, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(string)
    }

    fn text(&mut self) -> Result<&'b str, KeyError> {
        std::str::from_utf8(self.string()?).map_err(|_| damaged())
    }
}

fn damaged() -> KeyError {
    KeyError::Corrupt("it is truncated or altered".to_owned())
}

fn nonsense(_error: ErrorStack) -> KeyError {
    KeyError::Corrupt("its numbers do not make up a key".to_owned())
}
