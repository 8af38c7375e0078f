//! Expands all the work of a run, play by play.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::model::PlannedPlay;
use super::play::Known;
use super::warning::PlanWarning;
use super::{Planner, Work};
use crate::diagnostic::Problem;
use crate::load::PlaybookContent;
use crate::load::source::FileId;
use crate::resolve::inventory::Inventory;
use crate::resolve::scope::World;

/// Plays expanded over their hosts.
pub(super) struct Expanded {
    pub(super) plays: Vec<PlannedPlay>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// Whether there are plays, which need an inventory.
    pub(super) has_plays: bool,
}

impl Planner {
    /// Expands all work; everything that is wrong with any of it is found.
    ///
    /// `beside` has the inventory as it is for playbooks of some directories.
    pub(super) fn expand(
        &mut self,
        work: Work<'_>,
        has_inventory: bool,
        beside: &HashMap<PathBuf, Arc<Inventory>>,
    ) -> Expanded {
        let whole = Arc::clone(&self.world);
        let mut known = Known::new();
        let mut plays = Vec::new();
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let mut has_plays = false;
        let mut worlds = Worlds { whole: &whole, beside, made: HashMap::new() };
        match work {
            Work::Requests(name, requests) => {
                plays.push(self.requests(1, name, requests, &mut known, &mut problems));
            }
            Work::Playbooks(playbooks) => {
                let mut number = 0;
                for playbook in playbooks {
                    problems.extend(super::form(&whole, playbook));
                    if !playbook.problems.is_empty() {
                        self.is_unsound.set(true);
                    }
                    self.world = worlds.beside(playbook.file);
                    match &playbook.content {
                        PlaybookContent::Requests(requests) => {
                            number += 1;
                            let name = self.world.sources.get(playbook.file).name.clone();
                            let play =
                                self.requests(number, &name, requests, &mut known, &mut problems);
                            plays.push(play);
                        }
                        PlaybookContent::Plays(raw) => {
                            has_plays = true;
                            for play in raw.iter().filter(|_| has_inventory) {
                                number += 1;
                                // An imported play has what stands beside its own file.
                                let file = play.span.map_or(playbook.file, |span| span.file);
                                self.world = worlds.beside(file);
                                let planned = self.play(number, play, &mut known, &mut problems);
                                if let Some(empty) =
                                    planned.as_ref().filter(|it| it.lanes.is_empty())
                                {
                                    let warning = PlanWarning::NoHosts { play: empty.name.clone() };
                                    let span =
                                        play.value.hosts.as_ref().and_then(|hosts| hosts.span);
                                    warnings.push(Problem::new(warning, span));
                                }
                                plays.extend(planned);
                            }
                        }
                    }
                }
            }
        }
        self.world = whole;
        std::mem::take(&mut *self.downloads()).check(&mut problems);
        // How to log in may stand in what could not be read.
        if self.is_unsound.get() {
            const LOGIN: [&str; 3] = ["plan::no_username", "plan::no_credential", "plan::no_host"];
            problems.retain(|problem| !LOGIN.contains(&problem.code().as_str()));
        }
        Expanded { plays, problems, warnings, has_plays }
    }
}

/// What hosts see by the directory that their play is written in.
struct Worlds<'w> {
    whole: &'w Arc<World>,
    beside: &'w HashMap<PathBuf, Arc<Inventory>>,
    made: HashMap<PathBuf, Arc<World>>,
}

impl Worlds<'_> {
    /// With the variables that stand beside a file.
    fn beside(&mut self, file: FileId) -> Arc<World> {
        let directory = self.whole.sources.get(file).directory.clone();
        let Some(inventory) = self.beside.get(&directory) else { return Arc::clone(self.whole) };
        let made = self.made.entry(directory);
        let world = made.or_insert_with(|| Arc::new(self.whole.with_inventory(inventory)));
        Arc::clone(world)
    }
}
