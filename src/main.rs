//! The `sshoal` command: parse, run, exit.

fn main() {
    std::process::exit(sshoal::cli::main_with(std::env::args_os()).into())
}
