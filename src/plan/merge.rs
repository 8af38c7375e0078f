//! A task's request arguments, merged key by key: what the inventory, the play and
//! the variable files say, below the task's variables, the task itself,
//! `--extra-vars` and the flags.

use super::task::HostTask;
use crate::load::layer::Layer;
use crate::load::request::{ConnectionArgs, DriverArgs, Options};

impl HostTask {
    /// The task's `driver_args`, merged along the whole chain.
    pub(super) fn driver_args(&self) -> DriverArgs {
        let mut args = self.base.driver.clone();
        let own = self.raw.value.driver_args.as_ref().map(|at| &at.value);
        let extra = self.extra().filter_map(|layer| layer.driver.as_deref());
        let task = self.layer.iter().filter_map(|layer| layer.driver.as_deref());
        for upper in task.chain(own).chain(extra) {
            args = upper.clone().over(&args);
        }
        self.flags.driver.clone().over(&args)
    }

    /// The task's `options`, merged along the whole chain.
    pub(super) fn options(&self) -> Options {
        let mut args = self.base.options.clone();
        let own = self.raw.value.options.as_ref().map(|at| &at.value);
        let extra = self.extra().filter_map(|layer| layer.options.as_deref());
        let task = self.layer.iter().filter_map(|layer| layer.options.as_deref());
        for upper in task.chain(own).chain(extra) {
            args = upper.clone().over(&args);
        }
        args
    }

    /// The task's `connection_args`, merged along the whole chain.
    pub(super) fn connection_args(&self) -> ConnectionArgs {
        let mut args = self.base.connection.clone();
        let own = self.raw.value.connection_args.as_ref().map(|at| &at.value);
        let extra = self.extra().filter_map(|layer| layer.connection.as_deref());
        let task = self.layer.iter().filter_map(|layer| layer.connection.as_deref());
        for upper in task.chain(own).chain(extra) {
            args = upper.clone().over(&args);
        }
        self.flags.connection.clone().over(&args)
    }

    /// `--extra-vars`, which win over what the task itself says.
    fn extra(&self) -> impl Iterator<Item = &Layer> {
        self.base.scope.world.extra.iter().map(|layer| &**layer)
    }
}
