//! What a file transfer is and did: shared by plan, transport and reports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a request and its result name instead of a command for a transfer.
pub const TRANSFER_COMMAND: &str = "__FILE_TRANSFER__";

/// The direction of a file transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferOperation {
    /// From this machine to the host.
    Upload,
    /// From the host to this machine.
    Download,
}

/// What a file transfer did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferRecord {
    /// Its direction.
    pub operation: TransferOperation,
    /// The path on this machine.
    pub local_path: String,
    /// The path on the host.
    pub remote_path: String,
    /// Bytes moved by this run; 0 when the content was there already.
    pub bytes_transferred: u64,
    /// Size of the whole file in bytes.
    pub total_bytes: u64,
    /// Whether it continued an earlier, interrupted transfer.
    pub resumed: bool,
    /// Why it continued or started over, when `resume` was asked for.
    pub resume_note: Option<String>,
    /// Whether source and target were compared by SHA-256.
    pub verified: bool,
    /// SHA-256 of the file in hexadecimal, where it was computed.
    pub sha256: Option<String>,
    /// With `--diff`: the change of an uploaded text as a unified diff, or in
    /// parentheses why it is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}
