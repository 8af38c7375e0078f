//! What happens to a command's output, and to the commands after one that failed.

use serde_json::json;

use super::result;
use crate::lab::Lab;

#[test]
fn output_beyond_the_limit_is_cut_and_counted() {
    let lab = Lab::get();
    let line = "printf 'abcd0123456789wxyz'; printf 'error' >&2";
    let cut = &result(&lab, json!({ "command": line, "driver_args": { "max_output": 8 } }), 0)[0];
    assert_eq!(cut["output"], "abcd\n[… 10 bytes left out …]\nwxyz");
    assert_eq!((&cut["truncated"], &cut["output_bytes"]), (&json!(true), &json!(18)));
    assert_eq!((&cut["error"], &cut["error_bytes"]), (&json!("error"), &json!(5)));
    let whole =
        &result(&lab, json!({ "command": line, "driver_args": { "max_output": 18 } }), 0)[0];
    assert_eq!(
        (&whole["output"], &whole["truncated"]),
        (&json!("abcd0123456789wxyz"), &json!(false))
    );
    // A mebibyte of each stream is what is kept unless something else is asked for.
    let flood = &result(&lab, json!({ "command": "head -c 1048577 /dev/zero | tr '\\0' x" }), 0)[0];
    assert_eq!((&flood["truncated"], &flood["output_bytes"]), (&json!(true), &json!(1_048_577)));
}

#[test]
fn the_size_of_reads_changes_nothing_that_is_read() {
    let lab = Lab::get();
    let expected: String = (1..=2000).map(|number| format!("{number}\n")).collect();
    for bufsize in [json!(-1), json!(1), json!(7), json!(65536), json!(null)] {
        let args = json!({ "bufsize": bufsize });
        let read = &result(&lab, json!({ "command": "seq 2000", "driver_args": args }), 0)[0];
        assert_eq!(read["output"], expected, "{bufsize}");
    }
}

#[test]
fn commands_after_a_failed_one_run_unless_it_is_to_stop() {
    let lab = Lab::get();
    let lines = json!(["echo one", "false", "echo three"]);
    for (action, stop, count) in [
        ("command", json!(null), 3),
        ("command", json!(false), 3),
        ("command", json!(true), 2),
        ("config", json!(null), 2),
        ("config", json!(true), 2),
        ("config", json!(false), 3),
    ] {
        let request = json!({ action: lines, "driver_args": { "stop_on_error": stop } });
        let results = result(&lab, request, 2);
        let statuses: Vec<_> = results.iter().map(|result| result["exit_status"].clone()).collect();
        assert_eq!(statuses, [json!(0), json!(1), json!(0)][..count], "{action}, {stop}");
    }
}

#[test]
fn output_that_is_no_utf_8_is_marked() {
    let lab = Lab::get();
    let lines = json!(["printf 'a\\377z'", "printf 'gr\\303\\274n'", "printf '\\376' >&2"]);
    let results = result(&lab, json!({ "command": lines }), 0);
    assert_eq!((&results[0]["output"], &results[0]["lossy"]), (&json!("a\u{fffd}z"), &json!(true)));
    assert_eq!((&results[1]["output"], &results[1]["lossy"]), (&json!("grün"), &json!(false)));
    assert_eq!((&results[2]["error"], &results[2]["lossy"]), (&json!("\u{fffd}"), &json!(true)));
}
