//! When there is too little of something, as the node agent's flags say it.

use std::{collections::BTreeMap, time::Duration};

use knarr_api::quantity::{Format, Quantity};

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// `memory.available`
    Memory,
    /// `nodefs.available`
    NodeDisk,
    /// `nodefs.inodesFree`
    NodeInodes,
    /// `imagefs.available`
    ImageDisk,
    /// `imagefs.inodesFree`
    ImageInodes,
    /// `pid.available`
    Pid,
}

impl Signal {
    const WORDS: [(&'static str, Self); 6] = [
        ("memory.available", Self::Memory),
        ("nodefs.available", Self::NodeDisk),
        ("nodefs.inodesFree", Self::NodeInodes),
        ("imagefs.available", Self::ImageDisk),
        ("imagefs.inodesFree", Self::ImageInodes),
        ("pid.available", Self::Pid),
    ];

    fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, signal)| *signal)
    }

    /// The resource that is short, as messages name it.
    pub(crate) fn resource(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::NodeDisk | Self::ImageDisk => "ephemeral-storage",
            Self::NodeInodes | Self::ImageInodes => "inodes",
            Self::Pid => "pids",
        }
    }

    /// Whether files are what takes it.
    pub(crate) fn is_disk(self) -> bool {
        !matches!(self, Self::Memory | Self::Pid)
    }

    /// An amount of it as messages show it.
    pub(crate) fn show(self, amount: u64) -> String {
        let format = match self {
            Self::Memory | Self::NodeDisk | Self::ImageDisk => Format::BinarySi,
            Self::NodeInodes | Self::ImageInodes | Self::Pid => Format::DecimalSi,
        };
        Quantity::new(i64::try_from(amount).unwrap_or(i64::MAX), format).to_string()
    }
}

/// An amount, absolute or of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many bytes or pieces.
    Absolute(u64),
    /// So much of the capacity: 0.1 is 10 %.
    Part(f64),
}

impl Amount {
    fn parse(text: &str) -> Option<Self> {
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.parse().ok()?;
            return (0.0..=100.0).contains(&percent).then_some(Self::Part(percent / 100.0));
        }
        let quantity: Quantity = text.parse().ok()?;
        u64::try_from(quantity.value()).ok().map(Self::Absolute)
    }

    /// Of a capacity.
    pub(crate) fn of(self, capacity: u64) -> u64 {
        match self {
            Self::Absolute(n) => n,
            Self::Part(part) => (capacity as f64 * part) as u64,
        }
    }

    fn is_nothing(self) -> bool {
        matches!(self, Self::Absolute(0)) || self == Self::Part(0.0)
    }
}

/// A line below which something is too little.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Threshold {
    pub(crate) signal: Signal,
    pub(crate) amount: Amount,
    /// How long it may stay below; zero for a hard line.
    pub(crate) grace: Duration,
    /// How far above the line it has to come again.
    pub(crate) reclaim: Amount,
}

/// All lines, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    pub(crate) hard: BTreeMap<Signal, Amount>,
    soft: BTreeMap<Signal, Amount>,
    soft_grace: BTreeMap<Signal, Duration>,
    reclaim: BTreeMap<Signal, Amount>,
    /// How long a condition is told after it was last seen.
    pub(crate) transition: Duration,
    /// The most seconds a pod is given after a soft line.
    pub(crate) longest_grace: i64,
}

impl Default for Thresholds {
    /// Upstream's, but for disks: its 10 and 15 % of a large disk that others fill too would evict pods while there is
    /// room for thousands of them. 5 % is what small distributions set.
    fn default() -> Self {
        let hard = [
            (Signal::Memory, Amount::Absolute(100 << 20)),
            (Signal::NodeDisk, Amount::Part(0.05)),
            (Signal::NodeInodes, Amount::Part(0.05)),
            (Signal::ImageDisk, Amount::Part(0.05)),
            (Signal::ImageInodes, Amount::Part(0.05)),
        ];
        Self {
            hard: hard.into(),
            soft: BTreeMap::new(),
            soft_grace: BTreeMap::new(),
            reclaim: BTreeMap::new(),
            transition: Duration::from_secs(300),
            longest_grace: 0,
        }
    }
}

/// A line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdsError {
    /// Not `signal<amount`, or a signal nobody knows.
    #[error("{flag}: {text:?} is not like memory.available{sign}100Mi")]
    Syntax {
        /// The flag.
        flag: &'static str,
        /// What stands there.
        text: String,
        /// What stands between signal and amount.
        sign: char,
    },
    /// A soft line without its grace period.
    #[error("grace period must be specified for the soft eviction threshold {signal}")]
    NoGrace {
        /// The signal.
        signal: &'static str,
    },
}

impl Thresholds {
    /// Reads one of the flags `eviction-hard`, `eviction-soft`, `eviction-soft-grace-period`,
    /// `eviction-minimum-reclaim`, `eviction-pressure-transition-period` and `eviction-max-pod-grace-period`. Whether it
    /// was one of them.
    ///
    /// # Errors
    /// The value cannot be understood.
    pub fn set(&mut self, flag: &str, value: &str) -> Result<bool, ThresholdsError> {
        let syntax = |flag, text: &str, sign| ThresholdsError::Syntax { flag, text: text.to_owned(), sign };
        match flag {
            // What is given replaces all defaults, as it does upstream.
            "eviction-hard" => self.hard = pairs("eviction-hard", value, '<', Amount::parse)?,
            "eviction-soft" => self.soft = pairs("eviction-soft", value, '<', Amount::parse)?,
            "eviction-minimum-reclaim" => self.reclaim = pairs("eviction-minimum-reclaim", value, '=', Amount::parse)?,
            "eviction-soft-grace-period" => {
                self.soft_grace = pairs("eviction-soft-grace-period", value, '=', duration)?;
            }
            "eviction-pressure-transition-period" => {
                let flag = "eviction-pressure-transition-period";
                self.transition = duration(value).ok_or_else(|| syntax(flag, value, '='))?;
            }
            "eviction-max-pod-grace-period" => {
                let flag = "eviction-max-pod-grace-period";
                self.longest_grace = value.parse().map_err(|_| syntax(flag, value, '='))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Checks what needs all flags together.
    ///
    /// # Errors
    /// A soft line has no grace period.
    pub fn check(&self) -> Result<(), ThresholdsError> {
        match self.soft.keys().find(|s| !self.soft_grace.contains_key(s)) {
            Some(signal) => {
                let word = Signal::WORDS.iter().find(|(_, s)| s == signal).map_or("", |(word, _)| *word);
                Err(ThresholdsError::NoGrace { signal: word })
            }
            None => Ok(()),
        }
    }

    /// All lines, hard ones first.
    pub(crate) fn all(&self) -> Vec<Threshold> {
        let line = |signal: &Signal, amount: &Amount, grace| Threshold {
            signal: *signal,
            amount: *amount,
            grace,
            reclaim: self.reclaim.get(signal).copied().unwrap_or(Amount::Absolute(0)),
        };
        let hard = self.hard.iter().map(|(s, a)| line(s, a, Duration::ZERO));
        let soft = self.soft.iter().map(|(s, a)| line(s, a, self.soft_grace.get(s).copied().unwrap_or_default()));
        hard.chain(soft).filter(|t| !t.amount.is_nothing()).collect()
    }

    /// What of a capacity lies below the hard line: nobody is promised that.
    pub(crate) fn kept(&self, signal: Signal, capacity: u64) -> u64 {
        self.hard.get(&signal).map_or(0, |amount| amount.of(capacity))
    }
}

fn duration(text: &str) -> Option<Duration> {
    let parsed: knarr_api::duration::Duration = text.parse().ok()?;
    u64::try_from(parsed.0).ok().map(Duration::from_nanos)
}

fn pairs<T>(
    flag: &'static str,
    value: &str,
    sign: char,
    parse: fn(&str) -> Option<T>,
) -> Result<BTreeMap<Signal, T>, ThresholdsError> {
    let pairs = value.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
        let read = pair.split_once(sign).and_then(|(s, a)| Some((Signal::parse(s.trim())?, parse(a.trim())?)));
        read.ok_or_else(|| ThresholdsError::Syntax { flag, text: pair.to_owned(), sign })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        let mut t = Thresholds::default();
        assert!(t.set("eviction-hard", "memory.available<5%,nodefs.inodesFree<1k").unwrap());
        assert!(t.set("eviction-soft", "memory.available<1Gi").unwrap());
        assert_eq!(
            t.check().unwrap_err().to_string(),
            "grace period must be specified for the soft eviction threshold memory.available"
        );
        assert!(t.set("eviction-soft-grace-period", "memory.available=1m30s").unwrap());
        assert!(t.set("eviction-minimum-reclaim", "memory.available=10Mi").unwrap());
        assert!(!t.set("max-pods", "3").unwrap());
        t.check().unwrap();
        let shown: Vec<String> =
            t.all().iter().map(|t| format!("{:?} {:?} {:?} {:?}", t.signal, t.amount, t.grace, t.reclaim)).collect();
        assert_eq!(
            shown,
            [
                "Memory Part(0.05) 0ns Absolute(10485760)",
                "NodeInodes Absolute(1000) 0ns Absolute(0)",
                "Memory Absolute(1073741824) 90s Absolute(10485760)",
            ]
        );
        assert_eq!(t.kept(Signal::Memory, 1000), 50);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (flag, value) in [
            ("eviction-hard", "memory.available"),
            ("eviction-hard", "moon.available<1"),
            ("eviction-hard", "memory.available<200%"),
            ("eviction-soft", "memory.available<-1"),
            ("eviction-soft-grace-period", "memory.available=soon"),
            ("eviction-pressure-transition-period", "x"),
        ] {
            let error = Thresholds::default().set(flag, value).unwrap_err().to_string();
            assert!(error.starts_with(flag), "{error}");
        }
    }
}
