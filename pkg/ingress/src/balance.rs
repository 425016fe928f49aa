//! Which endpoint gets the next request. Pure.

/// An endpoint as the choice sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Load {
    /// It was tried for this very request, in vain.
    pub(crate) tried: bool,
    /// It refused a connection a moment ago.
    pub(crate) resting: bool,
    /// Requests it works on.
    pub(crate) active: usize,
}

/// The index of the least loaded; those equally loaded take turns by `turn`. One that was tried already is the last
/// resort: it may be the only one, and only have closed an old connection.
pub(crate) fn choose(loads: &[Load], turn: usize) -> Option<usize> {
    let n = loads.len();
    (0..n).map(|i| turn.wrapping_add(i) % n).min_by_key(|i| loads[*i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(active: usize) -> Load {
        Load { tried: false, resting: false, active }
    }

    #[test]
    fn equals_take_turns() {
        let loads = [load(0), load(0), load(0)];
        let turns: Vec<_> = (0..6).map(|turn| choose(&loads, turn).unwrap()).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
        assert_eq!(choose(&[], 3), None);
    }

    #[test]
    fn the_least_loaded_is_first_and_the_tried_one_last() {
        assert_eq!(choose(&[load(3), load(1), load(2)], 0), Some(1));
        let tried = Load { tried: true, ..load(0) };
        let resting = Load { resting: true, ..load(0) };
        assert_eq!(choose(&[tried, resting, load(9)], 0), Some(2));
        assert_eq!(choose(&[tried, resting], 0), Some(1));
        assert_eq!(choose(&[tried], 7), Some(0));
    }
}
