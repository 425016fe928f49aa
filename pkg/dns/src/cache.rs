//! Answers of others, for as long as they allow. Pure; bounded in entries and bytes.
//!
//! An answer is kept as the bytes it came in: a decoded record is ten times as large, and decoding takes microseconds.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, RecordType},
};

/// What is asked of others. The class is always IN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// The name, lower case.
    pub(crate) name: Name,
    /// The type.
    pub(crate) kind: RecordType,
    /// With DNSSEC records.
    pub(crate) dnssec_ok: bool,
    /// Without validation.
    pub(crate) checking_disabled: bool,
}

/// How much is kept.
const ENTRIES: usize = 1000;
const BYTES: usize = 1 << 20;
/// A longer answer is not kept.
const MAX_ANSWER: usize = 8192;
/// How long anything is kept at most, in seconds; negative answers shorter (RFC 2308 asks for a bound).
const MAX_TTL: u32 = 3600;
const MAX_NEGATIVE_TTL: u32 = 60;

#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: HashMap<Question, Entry>,
    /// The sum of the lengths of all answers.
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    answer: Arc<[u8]>,
    stored: Instant,
    expires: Instant,
}

impl Cache {
    /// An answer that is still good, and its age.
    pub(crate) fn get(&self, question: &Question, now: Instant) -> Option<(Arc<[u8]>, Duration)> {
        let entry = self.entries.get(question).filter(|e| now < e.expires)?;
        Some((entry.answer.clone(), now.saturating_duration_since(entry.stored)))
    }

    /// Keeps an answer for `ttl`. Room is made by the expired ones, then by those that expire next.
    pub(crate) fn put(&mut self, question: Question, answer: Arc<[u8]>, ttl: Duration, now: Instant) {
        if answer.len() > MAX_ANSWER {
            return;
        }
        self.remove(&question);
        if self.is_full(answer.len()) {
            self.entries.retain(|_, e| now < e.expires);
            self.bytes = self.entries.values().map(|e| e.answer.len()).sum();
        }
        while self.is_full(answer.len()) {
            let Some(next) = self.entries.iter().min_by_key(|(_, e)| e.expires).map(|(q, _)| q.clone()) else { break };
            self.remove(&next);
        }
        self.bytes += answer.len();
        self.entries.insert(question, Entry { answer, stored: now, expires: now + ttl });
    }

    fn is_full(&self, more: usize) -> bool {
        self.entries.len() >= ENTRIES || self.bytes + more > BYTES
    }

    fn remove(&mut self, question: &Question) {
        if let Some(old) = self.entries.remove(question) {
            self.bytes -= old.answer.len();
        }
    }
}

/// How long an answer may be kept; `None` for not at all (failures, and negative answers without SOA).
pub(crate) fn lifetime(answer: &Message, kind: RecordType) -> Option<Duration> {
    if !matches!(answer.response_code, ResponseCode::NoError | ResponseCode::NXDomain) || answer.truncation {
        return None;
    }
    let mut ttl = answer.answers.iter().map(|r| r.ttl).min().unwrap_or(MAX_TTL).min(MAX_TTL);
    if kind != RecordType::ANY && !answer.answers.iter().any(|r| r.record_type() == kind) {
        let soa = |r: &hickory_proto::rr::Record| match &r.data {
            RData::SOA(soa) => Some(r.ttl.min(soa.minimum)),
            _ => None,
        };
        ttl = ttl.min(answer.authorities.iter().find_map(soa)?).min(MAX_NEGATIVE_TTL);
    }
    (ttl > 0).then(|| Duration::from_secs(ttl.into()))
}

/// Takes the age of an answer off the lifetimes in it.
pub(crate) fn grow_old(answer: &mut Message, age: Duration) {
    let age = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
    let Message { answers, authorities, additionals, .. } = answer;
    for record in answers.iter_mut().chain(authorities).chain(additionals) {
        record.ttl = record.ttl.saturating_sub(age);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str) -> Question {
        let name = Name::from_ascii(name).unwrap();
        Question { name, kind: RecordType::A, dnssec_ok: false, checking_disabled: false }
    }

    #[test]
    fn stays_within_its_bounds_and_drops_what_expires_first() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for i in 0..ENTRIES + 10 {
            let ttl = Duration::from_secs(10 + i as u64);
            cache.put(question(&format!("n{i}.")), Arc::from([0; 100]), ttl, now);
        }
        assert_eq!((cache.entries.len(), cache.bytes), (ENTRIES, ENTRIES * 100));
        assert!(cache.get(&question("n9."), now).is_none());
        assert!(cache.get(&question("N10."), now).is_some());
        let large: Arc<[u8]> = Arc::from([0; MAX_ANSWER]);
        for i in 0..200 {
            cache.put(question(&format!("large{i}.")), large.clone(), Duration::from_secs(9999), now);
        }
        assert!(cache.bytes <= BYTES);
        cache.put(question("huge."), Arc::from([0; MAX_ANSWER + 1]), Duration::from_secs(9), now);
        assert!(cache.get(&question("huge."), now).is_none());
    }

    #[test]
    fn an_answer_ages_and_ends() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        cache.put(question("a."), Arc::from([1]), Duration::from_secs(10), now);
        assert_eq!(cache.get(&question("a."), after(9)).unwrap().1.as_secs(), 9);
        assert!(cache.get(&question("a."), after(10)).is_none());
        cache.put(question("a."), Arc::from([2, 2]), Duration::from_secs(10), after(10));
        assert_eq!((cache.entries.len(), cache.bytes), (1, 2));
    }
}
