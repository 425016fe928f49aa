//! Counters of network interfaces.

/// What went through an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Its name.
    pub(crate) name: String,
    /// Bytes received.
    pub(crate) rx_bytes: u64,
    /// Packets received with errors.
    pub(crate) rx_errors: u64,
    /// Bytes sent.
    pub(crate) tx_bytes: u64,
    /// Packets not sent because of errors.
    pub(crate) tx_errors: u64,
}

/// Reads `/proc/<pid>/net/dev`; the loopback is not counted.
pub(super) fn parse(text: &str) -> Vec<Interface> {
    let lines = text.lines().filter_map(|line| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> = numbers.split_ascii_whitespace().map_while(|n| n.parse().ok()).collect();
        let [rx_bytes, _, rx_errors, _, _, _, _, _, tx_bytes, _, tx_errors, ..] = numbers.as_slice() else {
            return None;
        };
        Some(Interface {
            name: name.trim().to_owned(),
            rx_bytes: *rx_bytes,
            rx_errors: *rx_errors,
            tx_bytes: *tx_bytes,
            tx_errors: *tx_errors,
        })
    });
    lines.filter(|i| i.name != "lo").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read() {
        let text = "Inter-|   Receive                                                |  Transmit\n\
             face |bytes    packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n\
             \x20   lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n\
             \x20 eth0: 2048 20 1 0 0 0 0 0 4096 40 2 0 0 0 0 0\n";
        let want = Interface { name: "eth0".into(), rx_bytes: 2048, rx_errors: 1, tx_bytes: 4096, tx_errors: 2 };
        assert_eq!(parse(text), [want]);
        assert!(parse("nonsense\n a: 1 2\n").is_empty());
    }
}
