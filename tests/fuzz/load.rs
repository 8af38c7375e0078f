//! Loads any text as a playbook, an inventory, a request and a project file. Whatever
//! it holds, the answer is a value or a list of errors that can be drawn, never a
//! panic.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sshoal::diagnostic::{Problems, RenderStyle, render};
use sshoal::load::source::Sources;
use sshoal::load::{CheckedFile, any_text, literal_requests, project};
use sshoal::resolve::inventory::Inventory;

fuzz_target!(|text: &str| {
    let sources = Sources::default();
    let mut problems = Vec::new();
    for name in ["a.yml", "a.json", "a.ini"] {
        let file = sources.add(name, Path::new("/nowhere"), text.to_owned());
        match any_text(&sources, file) {
            Ok(CheckedFile::Inventory(raw)) => {
                problems.extend(Inventory::build(vec![raw]).err().unwrap_or_default());
            }
            Ok(CheckedFile::Playbook(_)) => {}
            Err(found) => problems.extend(found),
        }
        problems.extend(literal_requests(&sources, file).err().unwrap_or_default());
        problems.extend(project::project_of(&sources, file).err().unwrap_or_default());
    }
    let problems = Problems::collect(problems);
    let _ = render(&problems, &sources, RenderStyle { color: false, width: 80 });
});
