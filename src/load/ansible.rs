//! What Ansible's keys are called here, for those who come from there.

use super::node::Map;

/// What to write in place of a command with the arguments of Ansible's module.
pub(super) fn as_text(key: &str) -> String {
    format!(
        "write the command as a text: `{key}: uptime`; `chdir` is `driver_args: {{ working_directory: … }}`, `creates` and `removes` stand on the task itself"
    )
}

/// Whether a mapping is what Ansible's `command` and `shell` take.
pub(super) fn is_module(map: &Map) -> bool {
    map.contains_key("cmd") || map.contains_key("argv")
}

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
        "script" | "ansible.builtin.script" => task(
            "write `driver_args: { script_content: \"{{ file('PATH') }}\" }`, or the script itself there",
        ),
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
        "sudo" | "sudo_user" | "sudo_password" => {
            both("write it below `driver_args`: `driver_args: { sudo: true }`, beside `config: …`")
        }
        "environment" => both("write it below `driver_args`: `driver_args: { environment: … }`"),
        "args" => task(
            "`creates` and `removes` stand on the task itself, `chdir` is `driver_args: { working_directory: … }`",
        ),
        "chdir" => task("write `driver_args: { working_directory: … }`"),
        "with_items" | "with_list" | "with_flattened" => task("write `loop: …`"),
        "with_dict" => task("write `loop: \"{{ NAME | items }}\"`"),
        "with_fileglob" | "with_sequence" | "with_nested" | "with_together" => {
            task("write `loop: …` with a list, or a template that gives one")
        }
        "loop_control" => task("remove it: the item is called `item`"),
        "include_tasks"
        | "include"
        | "ansible.builtin.include_tasks"
        | "ansible.builtin.import_tasks" => task("write `import_tasks: FILE`"),
        "import_role"
        | "include_role"
        | "ansible.builtin.import_role"
        | "ansible.builtin.include_role" => {
            task("write `import_tasks: FILE` with the role's tasks")
        }
        "set_fact" | "ansible.builtin.set_fact" => task(
            "write `vars:` on the play or the task; results of commands are kept by `register`",
        ),
        "debug" | "ansible.builtin.debug" => {
            task("write `command: echo …`, or look at results with `-v`")
        }
        "assert" | "fail" | "ansible.builtin.assert" | "ansible.builtin.fail" => {
            task("write `failed_when: …` on the task whose result it looks at")
        }
        "meta" | "ansible.builtin.meta" => {
            task("remove it: handlers run at the end of the play, and nothing is gathered")
        }
        "delegate_to" | "local_action" => {
            task("write a play of its own for that host, or `connection_args: { host: … }`")
        }
        "listen" => task("name the handler itself in `notify`, which takes a list"),
        "rescue" | "always" => {
            task("write tasks with `ignore_errors: true` and `register`, and `when: not NAME.ok`")
        }
        "check_mode" | "diff" => task("use `--check` and `--diff` for the whole run"),
        "async" | "poll" => task("write `retries`, `delay` and `until`, or raise the timeout"),
        "apt"
        | "yum"
        | "dnf"
        | "package"
        | "ansible.builtin.apt"
        | "ansible.builtin.yum"
        | "ansible.builtin.dnf"
        | "ansible.builtin.package" => task(
            "there are no modules: write `config: apt-get install -y NAME`, with `unless` or `creates`",
        ),
        "service" | "systemd" | "ansible.builtin.service" | "ansible.builtin.systemd" => {
            task("there are no modules: write `config: systemctl restart NAME`")
        }
        "file"
        | "lineinfile"
        | "blockinfile"
        | "user"
        | "group"
        | "git"
        | "get_url"
        | "uri"
        | "stat"
        | "wait_for"
        | "pip"
        | "cron"
        | "mount"
        | "sysctl"
        | "unarchive"
        | "reboot"
        | "ansible.builtin.file"
        | "ansible.builtin.lineinfile"
        | "ansible.builtin.user"
        | "ansible.builtin.stat"
        | "ansible.builtin.uri"
        | "ansible.builtin.git" => task(
            "there are no modules: write the command that does it, with `creates`, `unless` or `only_if` where it need not always run",
        ),
        "no_log" | "ignore_errors" | "run_once" | "when" | "register" | "notify" => {
            play("write it on each task")
        }
        "strategy" => play("remove it: hosts wait for each other only where the play asks for it"),
        "become_method" => both("remove it: sudo is the only one"),
        "vars_prompt" => play("give the variable with `-e NAME=…`"),
        "timeout" => task("write it below `driver_args`: `driver_args: { timeout: … }`"),
        "block" => task(
            "write the tasks one after the other, each with the block's `when`, or import them with `import_tasks`",
        ),
        "remote_user" => play("write `connection_args: { username: … }`"),
        "gather_facts" => play("remove it: nothing is gathered; ask with a task and `register`"),
        "roles" => play("write the tasks below `tasks:`"),
        "pre_tasks" | "post_tasks" => play("write all tasks below `tasks:`, in order"),
        _ => None,
    }
}
