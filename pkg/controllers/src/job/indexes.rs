//! Sets of completion indexes as a Job's status writes them: `0-3,5,7,8`.

use std::fmt;

/// Ranges in order, each with a gap before it: `(first, last)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(Vec<(i32, i32)>);

impl Indexes {
    /// Reads what a status or a rule says, below `completions`. What cannot be read is passed over: the text is the
    /// API's, and whoever broke it must not stop the Job.
    pub(super) fn parse(text: &str, completions: i32) -> Self {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse::<i32>().ok()?, last.parse::<i32>().ok()?);
            (0 <= first && first <= last && first < completions).then_some((first, last.min(completions - 1)))
        };
        text.split(',').filter_map(range).collect()
    }

    /// These and some more.
    pub(super) fn with(&self, more: impl IntoIterator<Item = i32>) -> Self {
        self.0.iter().copied().chain(more.into_iter().map(|i| (i, i))).collect()
    }

    /// All of both.
    pub(super) fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// How many there are.
    pub(super) fn total(&self) -> i32 {
        self.0.iter().fold(0i32, |n, (first, last)| n.saturating_add((last - first).saturating_add(1)))
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `index` is one of them.
    pub(super) fn contains(&self, index: i32) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < index);
        self.0.get(at).is_some_and(|(first, _)| *first <= index)
    }

    /// How many are in both.
    pub(super) fn common(&self, other: &Self) -> i32 {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut n = 0i32;
        while let (Some((a1, a2)), Some((b1, b2))) = (a.peek(), b.peek()) {
            let overlap = a2.min(b2) - a1.max(b1);
            n = n.saturating_add(overlap.saturating_add(1).max(0));
            let _ = if a2 <= b2 { a.next() } else { b.next() };
        }
        n
    }

    /// The first `count` below `completions` that are missing. Bounded by the ranges and `count`, not by `completions`.
    pub(super) fn missing(&self, count: usize, completions: i32) -> Vec<i32> {
        let mut out = Vec::new();
        let mut next = 0;
        for (first, last) in self.0.iter().copied().chain([(completions, completions)]) {
            while next < first.min(completions) && out.len() < count {
                out.push(next);
                next += 1;
            }
            next = next.max(last.saturating_add(1));
        }
        out
    }
}

impl FromIterator<(i32, i32)> for Indexes {
    fn from_iter<I: IntoIterator<Item = (i32, i32)>>(ranges: I) -> Self {
        let mut ranges: Vec<(i32, i32)> = ranges.into_iter().collect();
        ranges.sort_unstable();
        let mut out: Vec<(i32, i32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match out.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => out.push((first, last)),
            }
        }
        Self(out)
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_and_written() {
        for (text, completions, total, written) in [
            ("", 6, 0, ""),
            ("0-3", 6, 4, "0-3"),
            ("0,1,3", 6, 3, "0,1,3"),
            ("0,2-5", 6, 5, "0,2-5"),
            ("0-2,4,6-9", 6, 4, "0-2,4"),
            ("0-2,4,6-9", 8, 6, "0-2,4,6,7"),
            ("0,1,2,3", 4, 4, "0-3"),
            ("0-2,x,4-y,3", 9, 4, "0-3"),
            ("5,3", 9, 2, "3,5"),
            ("3-1,-2,2147483647", i32::MAX, 0, ""),
        ] {
            let set = Indexes::parse(text, completions);
            assert_eq!((set.total(), set.to_string().as_str()), (total, written), "{text}");
        }
    }

    #[test]
    fn sets_grow() {
        for (have, more, want) in [
            ("", &[] as &[i32], ""),
            ("", &[0, 2, 4], "0,2,4"),
            ("0,2,5-7", &[3, 4, 9], "0,2-7,9"),
            ("1-3", &[0, 2, 4], "0-4"),
            ("2-4,6-8", &[5], "2-8"),
        ] {
            assert_eq!(Indexes::parse(have, 100).with(more.iter().copied()).to_string(), want);
        }
        assert_eq!(Indexes::parse("0-2,8", 9).union(&Indexes::parse("2-5", 9)).to_string(), "0-5,8");
    }

    #[test]
    fn members_are_found() {
        let set = Indexes::parse("0-2,4,7-9", 10);
        let found: Vec<i32> = (0..10).filter(|i| set.contains(*i)).collect();
        assert_eq!(found, [0, 1, 2, 4, 7, 8, 9]);
        assert_eq!(set.common(&Indexes::parse("1-7", 10)), 4);
        assert_eq!(set.common(&Indexes::parse("5,6", 10)), 0);
    }

    #[test]
    fn missing_ones_come_in_order() {
        for (have, count, completions, want) in [
            ("", 0, 4, &[] as &[i32]),
            ("", 3, 5, &[0, 1, 2]),
            ("0,1", 5, 5, &[2, 3, 4]),
            ("1,3-4", 3, 9, &[0, 2, 5]),
            ("0-8", 3, 9, &[]),
            ("7", 3, 5, &[0, 1, 2]),
        ] {
            assert_eq!(Indexes::parse(have, 100).missing(count, completions), want, "{have}");
        }
    }
}
