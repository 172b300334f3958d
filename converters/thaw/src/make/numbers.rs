//! Numbers of the descriptors that kconv has for tasks in the making.

use crate::call::CallError;
use crate::remote::Remote;
use std::collections::BTreeSet;

/// Numbers of descriptors that no task has, from `start` to before `end`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Numbers {
    /// The lowest `size` numbers in a row above those that kconv has anyway and between those that are `taken`.
    pub(super) fn among(taken: &BTreeSet<u64>, size: u64) -> Numbers {
        let mut start = 64;
        for number in taken.range(start..) {
            if number - start >= size {
                break;
            }
            start = number + 1;
        }
        Numbers {
            start,
            end: start + size,
        }
    }

    /// Closes what a process has within.
    pub(super) fn close_within(self, remote: &Remote) -> Result<(), CallError> {
        let arguments = [self.start, self.end - 1, 0];
        remote.call("close_range", libc::SYS_close_range, &arguments)?;
        Ok(())
    }

    /// Closes what a process has outside.
    pub(super) fn close_outside(self, remote: &Remote) -> Result<(), CallError> {
        for arguments in [[0, self.start - 1, 0], [self.end, u32::MAX.into(), 0]] {
            remote.call("close_range", libc::SYS_close_range, &arguments)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lie_above_those_of_kconv_and_between_those_of_tasks() {
        let among = |taken: &[u64], size| {
            let Numbers { start, end } = Numbers::among(&taken.iter().copied().collect(), size);
            assert_eq!(end - start, size);
            start
        };
        assert_eq!(among(&[], 10), 64);
        assert_eq!(among(&[0, 1, 2, 63], 10), 64);
        assert_eq!(among(&[64], 10), 65);
        // Nine are not enough, ten are.
        assert_eq!(among(&[73], 10), 74);
        assert_eq!(among(&[74], 10), 64);
        assert_eq!(among(&[70, 75, 90, 1_048_575], 10), 76);
        assert_eq!(among(&[1_048_575], 100), 64);
    }
}
