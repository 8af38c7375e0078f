//! The documented request, as written: every key optional, every value a
//! template perhaps.

use super::credential_ref::{self, CredentialRef};
use super::decode::{OneOrMany, Templated};
use super::mapping::mapping;
use super::values::{
    EnvironmentMap, HostKeyPolicyName, Limit, Mode, OperationName, QueueStrategyName, Seconds,
};

mapping! {
    /// How to reach and log in to a host.
    #[schemars(extend(
        "if" = {
            "required": ["credential_ref"],
            "properties": { "credential_ref": { "type": ["string", "object"] } },
        },
        "then" = {
            "properties": { "username": { "type": "null" }, "password": { "type": "null" } },
        },
    ))]
    "`connection_args`" struct ConnectionArgs {
        /// Server address: IP or domain name. In a playbook it defaults to the host's inventory name.
        host: Templated<String>,
        /// SSH port. Default 22.
        #[schemars(extend("default" = 22))]
        port: Templated<u16>,
        /// SSH login user.
        username: Templated<String>,
        /// Password, for password and keyboard-interactive authentication.
        password: Templated<String>,
        /// Secret in HashiCorp Vault or OpenBao that holds `username` and `password`, in their place: its path, or a mapping.
        #[schemars(extend("examples" = ["servers/prod/admin", { "path": "servers/prod/admin", "mount": "kv" }]))]
        credential_ref: CredentialRef,
        /// Path of a private key file. A relative path starts at the directory of this file; `~` is the home directory.
        key_filename: Templated<String>,
        /// Content of a private key, PEM or OpenSSH form.
        pkey: Templated<String>,
        /// Passphrase of the private key, if it is encrypted.
        passphrase: Templated<String>,
        /// Connection timeout in seconds: TCP connect, then the key exchange anew. Default 30.
        #[schemars(extend("default" = 30))]
        timeout: Templated<Seconds>,
        /// Limit of waiting for the server's banner, in seconds. Default: `timeout`.
        banner_timeout: Templated<Seconds>,
        /// Limit of authentication, in seconds. Default: `timeout`.
        auth_timeout: Templated<Seconds>,
        /// What to do about unknown host keys. A changed key is always refused. Default `auto_add`.
        #[schemars(extend("default" = "auto_add"))]
        host_key_policy: Templated<HostKeyPolicyName>,
        /// Whether to try the keys in `~/.ssh`. Default true.
        #[schemars(extend("default" = true))]
        look_for_keys: Templated<bool>,
        /// Whether to ask the SSH agent. Default false.
        #[schemars(extend("default" = false))]
        allow_agent: Templated<bool>,
        /// Whether to compress. Default false.
        #[schemars(extend("default" = false))]
        compress: Templated<bool>,
        /// Seconds without an answer after which the connection counts as lost. Default 30.
        #[schemars(extend("default" = 30))]
        keepalive: Templated<Seconds>,
        /// Jump host address; setting it enables the jump host.
        proxy_host: Templated<String>,
        /// SSH port of the jump host. Default 22.
        #[schemars(extend("default" = 22))]
        proxy_port: Templated<u16>,
        /// Login user on the jump host. Default: `username`.
        proxy_username: Templated<String>,
        /// Password on the jump host. The target's password is never sent there.
        proxy_password: Templated<String>,
        /// Path of a private key file for the jump host.
        proxy_key_filename: Templated<String>,
        /// Content of a private key for the jump host.
        proxy_pkey: Templated<String>,
        /// Passphrase of the jump host's private key, if it is encrypted.
        proxy_passphrase: Templated<String>,
    }
    together {
        check: credential_ref::check,
        inherited: credential_ref::inherited,
    }
}

mapping! {
    /// How to run the task's commands or transfer.
    "`driver_args`" struct DriverArgs {
        /// Total wall-clock limit of one command in seconds; null sets no limit (the default).
        timeout: Templated<Limit>,
        /// Whether to use a pseudo-terminal. Default false; with `sudo` and `sudo_password`, true.
        get_pty: Templated<bool>,
        /// Environment variables of the command; they work inside sudo and whatever the server's AcceptEnv.
        environment: EnvironmentMap,
        /// Read size of the channel in bytes; -1 (the default) leaves it to sshoal.
        #[schemars(extend("default" = -1))]
        bufsize: Templated<i64>,
        /// Whether to run through sudo (`config` and file transfers only).
        #[schemars(extend("default" = false))]
        sudo: Templated<bool>,
        /// Password for sudo; sent once, only when sudo asks.
        sudo_password: Templated<String>,
        /// User to become with sudo. Default root.
        #[schemars(extend("default" = "root"))]
        sudo_user: Templated<String>,
        /// Whether sudo runs the whole line in the login shell (the default), or just its words.
        #[schemars(extend("default" = true))]
        sudo_shell: Templated<bool>,
        /// Whether a failing command keeps the rest of the list from running. Default: false for `command`, true for `config`.
        stop_on_error: Templated<bool>,
        /// Directory to run in. Default: the login directory.
        working_directory: Templated<String>,
        /// How many bytes of each output stream to keep, half from its head and half from its tail. Default 1048576.
        #[schemars(extend("default" = 1048576))]
        max_output: Templated<u64>,
        /// File transfer (with `command: ["__FILE_TRANSFER__"]`).
        file_transfer: FileTransfer,
        /// Script to run in place of commands: it is fed to `script_interpreter` on the host, shows in no process list and leaves no file behind. Elevated by `sudo` as `config` is; with an empty list as `command`, it runs as the login user.
        script_content: Templated<String>,
        /// Program that runs `script_content`, perhaps with arguments, such as `python3 -u`. Default `sh`.
        #[schemars(extend("default" = "sh"))]
        script_interpreter: Templated<String>,
    }
}

mapping! {
    /// A file transfer.
    #[schemars(extend("required" = ["operation", "local_path", "remote_path"]))]
    "`file_transfer`" struct FileTransfer {
        /// Direction: to the host, or from it.
        operation: Templated<OperationName>,
        /// Path on this machine. A relative path starts at the directory of this file.
        local_path: Templated<String>,
        /// Path on the host. A relative path starts at the login directory.
        remote_path: Templated<String>,
        /// Whether to continue an interrupted transfer. Default false.
        #[schemars(extend("default" = false))]
        resume: Templated<bool>,
        /// Transfer chunk size in bytes; never a limit of what is in flight. Default 32768.
        #[schemars(extend("default" = 32768))]
        chunk_size: Templated<u32>,
        /// Total wall-clock limit of the transfer in seconds; null sets no limit (the default).
        timeout: Templated<Limit>,
        /// Permission bits of the written file, as a quoted octal text such as "0644". Default: as the target has them, or else the source. With `recursive`, of every file (a directory can also be entered where it can be read); default: each as the source has them.
        mode: Templated<Mode>,
        /// Whether to create missing parent directories. Default false.
        #[schemars(extend("default" = false))]
        create_dirs: Templated<bool>,
        /// Whether to compare SHA-256 sums afterwards. Default true where the server has a shell.
        #[schemars(extend("default" = true))]
        verify: Templated<bool>,
        /// Whether to render the local file as a template before uploading it. Default false.
        #[schemars(extend("default" = false))]
        template: Templated<bool>,
        /// Whether to transfer a directory: what it contains becomes what the other path, a directory too, contains. What only the target has stays. Default false.
        #[schemars(extend("default" = false))]
        recursive: Templated<bool>,
        /// Who owns the written files, as a name or a number; for uploads by root or with `driver_args.sudo`. Default: as the target has it, or else who writes.
        owner: Templated<String>,
        /// Which group owns the written files, as `owner`.
        group: Templated<String>,
    }
}

mapping! {
    /// Options common to all drivers.
    "`options`" struct Options {
        /// `fifo` (the default): one connection for a host's tasks of a play. `pinned`: the connection stays for the whole run.
        #[schemars(extend("default" = "fifo"))]
        queue_strategy: Templated<QueueStrategyName>,
        /// How long to keep the task's result, in seconds.
        ttl: Templated<u64>,
    }
}

/// `command` or `config`: one command, or a list.
pub type Commands = OneOrMany<Templated<String>>;
