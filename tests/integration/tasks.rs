//! What a task may do beside running: try again, be guarded, be judged, only look,
//! show what it changes, run a script. Through the real program, server and sudo.

mod check;
mod guards;
mod retries;
mod script;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::lab::{Lab, LabHandle, Sshoal, User};

/// A host of the lab, as one of its users, with a directory of that user's.
struct Site {
    lab: LabHandle,
    user: fn(&Lab) -> &User,
    dir: PathBuf,
}

impl Site {
    fn of(user: fn(&Lab) -> &User) -> Self {
        let lab = Lab::get();
        let dir = user(&lab).home.join(format!("site-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir(&dir).unwrap();
        let uid = user(&lab).uid;
        chown(&dir, Some(uid), Some(uid)).unwrap();
        Self { lab, user, dir }
    }

    fn plain() -> Self {
        Self::of(|lab| &lab.users.plain)
    }

    fn user(&self) -> &User {
        (self.user)(&self.lab)
    }

    /// A path in the directory.
    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// `sshoal run site.yml` with these tasks, and its report on stdout.
    fn run(&self, tasks: &Value) -> Sshoal {
        self.sshoal(tasks).args(["-o", "json"])
    }

    fn sshoal(&self, tasks: &Value) -> Sshoal {
        let args = self.user().password_args(self.lab.sshd());
        let play = json!([{ "hosts": "all", "connection_args": args, "tasks": tasks }]);
        Sshoal::new()
            .file("site.yml", play.to_string())
            .forbid(&self.user().password)
            .args(["run", "-i", "web,", "site.yml"])
    }
}

/// Everything below a directory: owner, mode, size, moment of the last change, content.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![root.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = match metadata.is_file() {
            true => format!("{:?}", fs::read(&path).unwrap()),
            false => String::new(),
        };
        let (mode, changed) = (metadata.permissions().mode(), metadata.ctime_nsec());
        let facts = format!("{} {mode:o} {} {changed} {content}", metadata.uid(), metadata.ctime());
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(path, facts);
    }
    found
}
