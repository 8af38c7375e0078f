//! How much a jump host may send that is of no use to anybody.

/// How much may come in vain: as much as from any host whose user is signed in.
const IN_VAIN: u64 = 16 * 1024 * 1024;
/// How much of a tunnel's data may wait for the near end: libssh2's receive window.
const WINDOW: u64 = 2 * 1024 * 1024;

/// What came in since the last answer.
#[derive(Default)]
pub(super) struct Budget {
    in_vain: u64,
    /// The most tunnels that there were meanwhile. What is on the way for one that is
    /// closed cannot be held against the jump host.
    tunnels: usize,
}

impl Budget {
    /// Takes in that `received` bytes came, with so many tunnels, and whether any of
    /// that was an answer or somebody's data. Tells why the jump host is to be given
    /// up, if it is.
    pub(super) fn spend(
        &mut self,
        received: u64,
        tunnels: usize,
        was_of_use: bool,
    ) -> Result<(), String> {
        if was_of_use {
            *self = Self::default();
        } else {
            self.in_vain += received;
        }
        self.tunnels = self.tunnels.max(tunnels);
        match self.in_vain > IN_VAIN + WINDOW * self.tunnels as u64 {
            true => Err("it sent more than 16 MiB and no answer".to_owned()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_in_the_tunnels_is_not_held_against_the_jump_host() {
        let mut budget = Budget::default();
        assert!(budget.spend(IN_VAIN, 0, false).is_ok());
        assert!(budget.spend(1, 0, false).is_err());
        assert!(budget.spend(1, 3, true).is_ok());
        assert!(budget.spend(IN_VAIN + 3 * WINDOW, 0, false).is_ok());
        assert!(budget.spend(1, 0, false).is_err());
    }
}
