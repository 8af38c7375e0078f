//! Masks output that is not whole: a secret may be cut in two, and half of one says
//! a lot.

use super::record::masked;
use crate::record::CommandResult;
use crate::secret::Redactor;
use crate::transport::note_in;

/// One stream of `result` with every secret masked, and at the places where
/// something was left out also a part of one.
pub(super) fn masked_output(redactor: &Redactor, text: String, result: &CommandResult) -> String {
    let has_ended = result.exit_status.is_some() || result.signal.is_some();
    let was_ended = !has_ended && result.transfer.is_none();
    if !was_ended && !result.truncated {
        return masked(redactor, text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    let mut is_cut = false;
    while result.truncated
        && let Some(note) = note_in(rest)
    {
        let (before, newline) = match rest[..note.start].strip_suffix('\n') {
            Some(before) => (before, "\n"),
            None => (&rest[..note.start], ""),
        };
        out += &masked_part(redactor, before, is_cut, true);
        out += newline;
        out += &rest[note.clone()];
        rest = &rest[note.end..];
        is_cut = true;
    }
    out + &masked_part(redactor, rest, is_cut, was_ended)
}

fn masked_part(redactor: &Redactor, text: &str, cut_before: bool, cut_after: bool) -> String {
    let text = match cut_before {
        true => redactor.mask_after_cut(text),
        false => redactor.mask(text),
    };
    match cut_after {
        true => redactor.mask_before_cut(&text).into_owned(),
        false => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn result(truncated: bool, exit_status: Option<i32>) -> CommandResult {
        CommandResult { truncated, exit_status, ..CommandResult::default() }
    }

    #[test]
    fn halves_of_secrets_are_masked_where_output_is_cut() {
        let redactor = Redactor::new([&Secret::new("SuperSecretPassword")]);
        let mask =
            |text: &str, result: &CommandResult| masked_output(&redactor, text.to_owned(), result);
        let text = "a SuperSec\n[… 9 bytes left out …]\nword b SuperSecretPassword SuperS";
        let whole = "a ***\n[… 9 bytes left out …]\n*** b *** SuperS";
        assert_eq!(mask(text, &result(true, Some(0))), whole);
        let ended = "a ***\n[… 9 bytes left out …]\n*** b *** ***";
        assert_eq!(mask(text, &result(true, None)), ended);
        let text = "SuperSec\n[… 9 bytes left out …]\n";
        assert_eq!(mask(text, &result(false, Some(0))), text, "the command's own words");
    }
}
