//! The fuzz target of [`body`], which the tests run over a few texts as well.
#![no_main]

mod body;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = body::load(text);
});
