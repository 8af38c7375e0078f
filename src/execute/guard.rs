//! Keeps a defect that shows on one host from ending the run for the others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::failure::{ErrorCode, Failure};

/// Turns a panic into a failure: a defect met on one host must not end the run
/// for the others.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        Failure::new(ErrorCode::Internal, format!("sshoal itself failed: {}", words_of(&*panic)))
            .with_help("this is a defect; please report it together with the task that shows it")
    })
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
