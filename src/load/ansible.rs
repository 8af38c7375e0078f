//! What Ansible's keys are called here, for those who come from there.

/// Where a key of Ansible's stands (empty: anywhere), and what to write in its place.
pub(super) fn instead_of(key: &str) -> Option<(&'static str, &'static str)> {
    let task = |instead| Some(("a task", instead));
    let both = |instead| Some(("", instead));
    let play = |instead| Some(("a play", instead));
    match key {
        "shell"
        | "raw"
        | "ansible.builtin.shell"
        | "ansible.builtin.command"
        | "ansible.builtin.raw" => task("write `command: …`; it runs in the login shell"),
        "script" | "ansible.builtin.script" => {
            task("put the script into `command` as a multi-line text")
        }
        "copy" | "ansible.builtin.copy" => {
            task("write `file_transfer: { operation: upload, local_path: …, remote_path: … }`")
        }
        "template" | "ansible.builtin.template" => task(
            "write `file_transfer: { operation: upload, template: true, local_path: …, remote_path: … }`",
        ),
        "fetch" | "ansible.builtin.fetch" => {
            task("write `file_transfer: { operation: download, remote_path: …, local_path: … }`")
        }
        "become" => both("write `config: …` with `driver_args: { sudo: true }`"),
        "become_user" => both("write `config: …` with `driver_args: { sudo: true, sudo_user: … }`"),
        "environment" => task("write it below `driver_args`: `driver_args: { environment: … }`"),
        "with_items" | "with_list" => task("write `loop: …`"),
        "timeout" => task("write it below `driver_args`: `driver_args: { timeout: … }`"),
        "block" => task("write the tasks one after the other, each with the block's `when`"),
        "remote_user" => play("write `connection_args: { username: … }`"),
        "gather_facts" => play("remove it: nothing is gathered; ask with a task and `register`"),
        "roles" => play("write the tasks below `tasks:`"),
        "pre_tasks" | "post_tasks" => play("write all tasks below `tasks:`, in order"),
        _ => None,
    }
}
