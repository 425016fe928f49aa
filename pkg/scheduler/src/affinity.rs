//! Rules about other pods: pod affinity and anti-affinity.
//!
//! Required terms are counted once per decision, over all pods they select: how many stand in each domain (a value of
//! the term's topology label). Then each node is judged by the domains it is in. Terms of pods that run already hold
//! against the new pod too.

mod count;
mod score;
mod term;

pub(crate) use count::{Broken, Counts};
pub(crate) use score::Attraction;
pub use term::{PodAffinity, Term};
pub(crate) use term::{WirePodAffinity, with_keys};
