//! What the fuzz target does, over a few texts: so it is built and run with the rest.

#[path = "../fuzz/body.rs"]
mod body;

#[test]
fn any_text_is_a_value_or_a_list_of_errors() {
    for text in [
        "",
        "\u{feff}",
        "---\n---\n",
        "[web]\nweb-[01:03] a=1\n[web:children]\nweb\n",
        "web: { hosts: { web: }, hosts: { b: } , host: }\n",
        "- hosts: all\n  tasks: [{ command: '{{' }]\n",
        "- name: \u{1F41F}\n  command: [a, [b]]\n",
        "{\"connection_args\": {\"host\": \"a\", \"host\": 1}, \"command\": [\"\\ud83d\"]}",
        "a: &a [*a, !x y, <<: *a]\n\t- {",
        "- serial: '9999999999999999999999%'\n  hosts: [1e400, 0x, ~]\n",
    ] {
        let told = body::load(text);
        assert!(told.len() < 100_000, "{text:?}");
    }
}
