//! The `sshoal` command: parse, run, exit.

fn main() {
    // A panic on a worker becomes an `internal` failure of its host; what the
    // default hook would print could hold a secret and would tear the view.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
        eprintln!("sshoal: internal error{place}: this is a bug, please report it");
    }));
    let code = std::panic::catch_unwind(|| sshoal::cli::main_with(std::env::args_os()));
    std::process::exit(code.unwrap_or(sshoal::exit_code::ExitCode::Bug.number()).into())
}
