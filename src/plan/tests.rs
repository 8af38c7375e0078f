//! Plans playbooks over inventories, both given as text.

mod conduct;
mod foresight;
mod precedence;
mod proof;
mod secrets;
mod shown;
mod together;
mod values;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::model::{Lane, PlannedTask, Registered, Resolution, Step, TaskBody};
use super::spec::{Action, ConnectionSpec};
use super::{FlagArgs, PlanOptions, Planned, TagFilter, Work, plan};
use crate::diagnostic::{Problem, Problems};
use crate::load::source::Sources;
use crate::resolve::inventory::Inventory;
use crate::resolve::scope::World;

/// What to plan.
#[derive(Default)]
struct Case<'c> {
    inventory: &'c str,
    /// The variables of a project file.
    project: &'c str,
    playbook: &'c str,
    /// Files beside the playbook.
    files: &'c [(&'c str, &'c str)],
    extra: &'c [&'c str],
    flags: FlagArgs,
    only: &'c [&'c str],
    skip: &'c [&'c str],
    limit: Option<&'c str>,
    start_at: Option<&'c str>,
}

/// Two hosts that can be reached without further ado.
const INVENTORY: &str = "\
all:
  vars:
    connection_args: { username: deploy, password: pw }
  children:
    web: { hosts: { web-01: { only_here: 1 }, web-02: } }
";

impl Case<'_> {
    fn plan(&self) -> Result<Planned, Vec<String>> {
        let sources = Arc::new(Sources::default());
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in self.files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let planned = self.plan_in(&sources, dir.path());
        planned
            .map_err(|problems| problems.iter().map(|problem| problem.one_line(&sources)).collect())
    }

    fn plan_in(&self, sources: &Arc<Sources>, dir: &Path) -> Result<Planned, Problems> {
        let collected = |problems: Vec<Problem>| Problems::collect(problems);
        let file = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let inventory = file("inventory.yml", self.inventory);
        let playbook = file("playbook.yml", self.playbook);
        let inventory = inventory.display().to_string();
        let loaded = crate::load::inventory::load(sources, &[inventory]).map_err(collected)?;
        let inventory = Inventory::build(loaded.inventories).map_err(collected)?;
        let mut vars = crate::load::inventory::VarsSet::default();
        let groups = inventory.groups().map(|(name, _)| &**name);
        let hosts = inventory.hosts().map(|(name, _)| &**name);
        let beside = vars.beside(sources, dir, groups, hosts).map_err(collected)?;
        let inventory = inventory.with_vars(vec![beside]);
        let layer = |text: &&str| {
            let (file, vars) = crate::load::extra_vars(sources, text)?;
            crate::load::layer(file, vars).map(Arc::new)
        };
        let extra = self.extra.iter().map(layer).collect::<Result<_, _>>().map_err(collected)?;
        let world = World::new(
            Arc::new(inventory),
            Arc::clone(sources),
            extra,
            "the run".into(),
            "/home/me".into(),
        );
        let world = match self.project {
            "" => world,
            text => world.with_project(layer(&text).map_err(collected)?),
        };
        let raw = crate::load::playbooks(sources, &[playbook]).map_err(collected)?;
        let set = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        let options = PlanOptions {
            start_at: self.start_at.map(str::to_owned),
            flags: self.flags.clone(),
            tags: TagFilter { only: set(self.only), skip: set(self.skip) },
            limit: self.limit.map(str::to_owned),
            has_inventory: true,
            home: "/home/me".into(),
            agent: false,
            allow_no_hosts: false,
            ssh_config: None,
            beside: std::collections::HashMap::new(),
        };
        plan(Arc::new(world), Work::Playbooks(&raw), options)
    }

    #[track_caller]
    fn planned(&self) -> Planned {
        match self.plan() {
            Ok(planned) => planned,
            Err(errors) => panic!("{errors:#?}\n{}", self.playbook),
        }
    }
}

/// A playbook with one play over the web servers, whose tasks are given.
fn play(tasks: &str) -> String {
    let tasks: String = tasks.trim_end().lines().map(|line| format!("    {line}\n")).collect();
    format!("- hosts: web\n  tasks:\n{tasks}")
}

/// Plans tasks over [`INVENTORY`].
fn tasks(tasks: &str) -> Result<Planned, Vec<String>> {
    Case { inventory: INVENTORY, playbook: &play(tasks), ..Case::default() }.plan()
}

#[track_caller]
fn lane<'p>(planned: &'p Planned, host: &str) -> &'p Lane {
    let lanes = planned.plan.plays.iter().flat_map(|play| &play.lanes);
    lanes.into_iter().find(|lane| &*lane.host == host).expect("the host is in the plan")
}

#[track_caller]
fn steps(task: &PlannedTask) -> &[Step] {
    match &task.body {
        TaskBody::Ready(steps) => steps,
        other => panic!("{other:?}"),
    }
}

fn commands(step: &Step) -> &[String] {
    match &step.action {
        Action::Command(action) | Action::Config(action) => &action.commands,
        Action::FileTransfer(_) => &[],
    }
}

/// All commands that a host's tasks will run, by task.
fn lines(planned: &Planned, host: &str) -> Vec<Vec<String>> {
    let tasks = lane(planned, host).tasks.iter();
    let taken = |task| steps(task).iter().filter(|step| !step.skip);
    tasks.map(|task| taken(task).flat_map(commands).cloned().collect()).collect()
}

#[track_caller]
fn connection(planned: &Planned, host: &str) -> Arc<ConnectionSpec> {
    Arc::clone(&steps(&lane(planned, host).tasks[0])[0].connection)
}

/// A result as the executor registers it.
fn result(output: &str) -> Value {
    json!({
        "output": output, "error": "", "exit_status": 0, "ok": true, "changed": true,
        "failed": false, "skipped": false, "results": [],
    })
}

#[track_caller]
fn resolve(task: &PlannedTask, results: &[(&str, Value)]) -> Result<Vec<Vec<String>>, String> {
    let TaskBody::Deferred(body) = &task.body else { panic!("{:?}", task.body) };
    let mut registered = Registered::default();
    for (name, result) in results {
        registered.insert((*name).into(), result.clone());
    }
    match body.resolve(&registered) {
        Ok(Resolution::Skipped) => Ok(Vec::new()),
        Ok(Resolution::Awaits(names)) => Err(format!("waits for `{}`", names.join("`, `"))),
        Ok(Resolution::Steps { steps, .. }) => {
            Ok(steps.iter().map(|step| commands(step).to_vec()).collect())
        }
        Err(failure) => Err(failure.message),
    }
}
