//! What a file transfer must have.

use crate::load::decode::{At, Decoder};
use crate::load::error::LoadError;
use crate::load::request::FileTransfer;

/// Reports what is missing.
pub(super) fn check(transfer: &At<FileTransfer>, decoder: &mut Decoder) {
    let value = &transfer.value;
    let required = [
        ("operation", value.operation.is_none()),
        ("local_path", value.local_path.is_none()),
        ("remote_path", value.remote_path.is_none()),
    ];
    let missing = required.into_iter().filter(|(_, missing)| *missing);
    for (key, _) in missing.filter(|(key, _)| !value.rejected.may_be(key)) {
        let error = LoadError::MissingKey {
            key: key.to_owned(),
            within: "`file_transfer`".to_owned(),
            help: "it needs `operation` (upload or download), `local_path` and `remote_path`"
                .to_owned(),
        };
        decoder.report(error, transfer.key);
    }
}
