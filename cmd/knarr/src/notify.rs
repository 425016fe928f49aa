//! Telling the service manager (`sd_notify`): one datagram to the socket it named.

use std::os::unix::net::UnixDatagram;

/// Sends `state` (`READY=1`, `STOPPING=1`) if a service manager asked for it.
pub(crate) fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let send = || {
        let socket = UnixDatagram::unbound()?;
        socket.send_to(state.as_bytes(), &path)
    };
    if let Err(e) = send() {
        tracing::warn!(error = %e, "the service manager was not told {state}");
    }
}
