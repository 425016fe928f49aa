//! What the host says about itself.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use crate::exit::Fatal;

/// The host's name.
pub(crate) fn name() -> Result<String, Fatal> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_err(|e| Fatal::host(format!("cannot read the host's name: {e}"), "set --node-name"))?;
    Ok(name.trim().to_owned())
}

/// The address of the default route, or loopback on a host without one. Nothing is sent.
pub(crate) fn address() -> IpAddr {
    let ask = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    ask().filter(|ip| !ip.is_unspecified()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
