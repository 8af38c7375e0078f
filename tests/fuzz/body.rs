//! Loads any text as a playbook, an inventory, a request and a project file. Whatever
//! it holds, the answer is a value or a list of errors that can be drawn, never a
//! panic.

use std::path::Path;

use sshoal::diagnostic::{Problems, RenderStyle, render};
use sshoal::load::source::Sources;
use sshoal::load::{CheckedFile, any_text, literal_requests, project};
use sshoal::resolve::inventory::Inventory;

/// Loads a text in every way, and draws what is wrong with it.
pub(crate) fn load(text: &str) -> String {
    let sources = Sources::default();
    let mut problems = Vec::new();
    for name in ["a.yml", "a.json", "a.ini"] {
        let file = sources.add(name, Path::new("/nowhere"), text.to_owned());
        match any_text(&sources, file) {
            Ok(CheckedFile::Inventory(raw)) => match Inventory::build(vec![raw]) {
                Ok(inventory) => problems.extend(inventory.warnings()),
                Err(found) => problems.extend(found),
            },
            Ok(_) => {}
            Err(found) => problems.extend(found),
        }
        problems.extend(literal_requests(&sources, file).err().unwrap_or_default());
        problems.extend(project::project_of(&sources, file).err().unwrap_or_default());
    }
    problems.extend(sources.warnings());
    let problems = Problems::collect(problems);
    render(&problems, &sources, RenderStyle { color: false, width: 80 })
}
