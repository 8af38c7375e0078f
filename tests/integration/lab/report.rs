//! Ways through a JSON report.

use serde_json::Value;

/// A JSON report with ways to its parts. Every way panics with the report when
/// there is no such part.
pub(crate) struct Report(pub(crate) Value);

impl Report {
    /// The value at a JSON pointer, such as `/stats/tasks/failed`.
    #[track_caller]
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("no `{pointer}` in {:#}", self.0))
    }

    /// What happened to a host in the first play that has it.
    #[track_caller]
    pub(crate) fn host(&self, host: &str) -> &Value {
        entries(&self.0, "plays")
            .flat_map(|play| entries(play, "hosts"))
            .find(|entry| entry["host"] == host)
            .unwrap_or_else(|| panic!("no host `{host}` in {:#}", self.0))
    }

    /// A host's task by name, in any play.
    #[track_caller]
    pub(crate) fn task(&self, host: &str, task: &str) -> &Value {
        entries(&self.0, "plays")
            .flat_map(|play| entries(play, "hosts"))
            .filter(|entry| entry["host"] == host)
            .flat_map(|entry| entries(entry, "tasks"))
            .find(|entry| entry["name"] == task)
            .unwrap_or_else(|| panic!("no task `{task}` of host `{host}` in {:#}", self.0))
    }

    /// The only task of the only host: what a single request reports.
    #[track_caller]
    pub(crate) fn only_task(&self) -> &Value {
        let tasks: Vec<_> = entries(&self.0, "plays")
            .flat_map(|play| entries(play, "hosts"))
            .flat_map(|host| entries(host, "tasks"))
            .collect();
        assert_eq!(tasks.len(), 1, "not exactly one task in {:#}", self.0);
        tasks[0]
    }

    /// The results of the only task of the only host.
    #[track_caller]
    pub(crate) fn only_results(&self) -> &[Value] {
        self.only_task()["results"].as_array().unwrap()
    }
}

fn entries<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value[key].as_array().into_iter().flatten()
}
