//! The one form in which keys leave: unencrypted PKCS#8, and the public half.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::bn::BigNumContext;
use openssl::ec::PointConversionForm;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use zeroize::Zeroizing;

use super::KeyError;
use crate::secret::Secret;

/// The private half as PKCS#8 text, the public half as type and base64.
pub(super) fn encode(key: &PKey<Private>) -> Result<(Secret, String), KeyError> {
    let (kind, blob) = public_blob(key)?;
    let pem = key.private_key_to_pem_pkcs8().map_err(unusable)?;
    let pem = Zeroizing::new(pem);
    let pem = std::str::from_utf8(&pem).expect("PEM is ASCII");
    Ok((Secret::new(pem), format!("{kind} {}", STANDARD.encode(blob))))
}

fn public_blob(key: &PKey<Private>) -> Result<(&'static str, Vec<u8>), KeyError> {
    match key.id() {
        Id::ED25519 => {
            let public = key.raw_public_key().map_err(unusable)?;
            Ok(("ssh-ed25519", blob(&[b"ssh-ed25519", &public])))
        }
        Id::RSA => {
            let rsa = key.rsa().map_err(unusable)?;
            let (e, n) = (positive(rsa.e().to_vec()), positive(rsa.n().to_vec()));
            Ok(("ssh-rsa", blob(&[b"ssh-rsa", &e, &n])))
        }
        Id::EC => ecdsa_blob(key),
        Id::DSA => Err(KeyError::Dsa),
        _ => Err(KeyError::Unsupported("a key that is neither Ed25519, ECDSA nor RSA".to_owned())),
    }
}

fn ecdsa_blob(key: &PKey<Private>) -> Result<(&'static str, Vec<u8>), KeyError> {
    let ec = key.ec_key().map_err(unusable)?;
    let (kind, curve) = match ec.group().curve_name() {
        Some(Nid::X9_62_PRIME256V1) => ("ecdsa-sha2-nistp256", "nistp256"),
        Some(Nid::SECP384R1) => ("ecdsa-sha2-nistp384", "nistp384"),
        Some(Nid::SECP521R1) => ("ecdsa-sha2-nistp521", "nistp521"),
        _ => {
            return Err(KeyError::Unsupported(
                "an elliptic curve other than P-256, P-384 and P-521".to_owned(),
            ));
        }
    };
    let mut context = BigNumContext::new().map_err(unusable)?;
    let point = ec
        .public_key()
        .to_bytes(ec.group(), PointConversionForm::UNCOMPRESSED, &mut context)
        .map_err(unusable)?;
    Ok((kind, blob(&[kind.as_bytes(), curve.as_bytes(), &point])))
}

fn blob(fields: &[&[u8]]) -> Vec<u8> {
    let mut blob = Vec::new();
    for field in fields {
        let length = u32::try_from(field.len()).expect("a key field is short");
        blob.extend_from_slice(&length.to_be_bytes());
        blob.extend_from_slice(field);
    }
    blob
}

/// SSH numbers are signed: one whose top bit is set gets a zero byte in front.
fn positive(mut number: Vec<u8>) -> Vec<u8> {
    if number.first().is_some_and(|byte| byte & 0x80 != 0) {
        number.insert(0, 0);
    }
    number
}

fn unusable(_error: ErrorStack) -> KeyError {
    KeyError::Corrupt("its numbers do not make up a key".to_owned())
}
