//! Where hyper's HTTP/2 streams run: in a crowd, bounded and with an owner.

use hyper::rt::Executor;
use knarr_daemon::Crowd;

/// An executor that drops what exceeds the crowd: the stream is reset.
#[derive(Clone)]
pub(crate) struct Hands(Crowd);

impl Hands {
    pub(crate) fn new(crowd: Crowd) -> Self {
        Self(crowd)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Hands {
    fn execute(&self, future: F) {
        self.0.try_spawn(|_| future);
    }
}
