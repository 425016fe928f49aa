//! Container logs: the runtime writes files in CRI's format, we read, follow and rotate them.

mod follow;
mod parse;
mod read;
mod rotate;

pub(crate) use read::{LogOptions, Sink, stream};
pub(crate) use rotate::run as rotate;
