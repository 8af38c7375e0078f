//! How much a jump host may send that is of no use to anybody.

use crate::transport::link::AFTER_LOGIN as IN_VAIN;

/// How much of a tunnel's data may wait for the near end: libssh2's receive window.
const WINDOW: u64 = 2 * 1024 * 1024;

/// What came in beyond what it was worth.
#[derive(Default)]
pub(super) struct Budget {
    in_vain: u64,
    /// The most tunnels that there were meanwhile. What is on the way for one that is
    /// closed cannot be held against the jump host.
    tunnels: usize,
}

impl Budget {
    /// Takes in that `received` bytes came, with so many tunnels, and what of that was an
    /// answer or somebody's data, by its worth. Tells why the jump host is to be given up,
    /// if it is.
    pub(super) fn spend(
        &mut self,
        received: u64,
        tunnels: usize,
        worth: u64,
    ) -> Result<(), String> {
        self.in_vain = (self.in_vain + received).saturating_sub(worth);
        self.tunnels = match self.in_vain {
            0 => tunnels,
            _ => self.tunnels.max(tunnels),
        };
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
        assert!(budget.spend(IN_VAIN, 0, 0).is_ok());
        assert!(budget.spend(1, 0, 0).is_err());
        assert!(budget.spend(1, 3, 2 * IN_VAIN).is_ok());
        assert!(budget.spend(IN_VAIN + 3 * WINDOW, 0, 0).is_ok());
        assert!(budget.spend(1000, 0, 999).is_err());
    }

    #[test]
    fn a_little_of_use_does_not_make_up_for_a_lot_in_vain() {
        let mut budget = Budget::default();
        let passes = (0..100).take_while(|_| budget.spend(IN_VAIN / 4, 1, 128).is_ok()).count();
        assert_eq!(passes, 4);
    }
}
