//! Rules many kinds share: labels and selectors, addresses, ports, amounts.

use std::net::IpAddr;

use ipnet::IpNet;
use knarr_api::{Value, field::Errors, names, quantity::Quantity};

use crate::kinds::spot::{NEGATIVE, Spot};

/// A string map of labels.
pub(super) fn labels(spot: &Spot<'_, '_>, out: &mut Errors) {
    for (key, value) in spot.entries() {
        out.extend(names::qualified_name(key).into_iter().map(|m| spot.invalid_as(key, m)));
        out.extend(names::label_value(value.text()).into_iter().map(|m| spot.invalid_as(value.text(), m)));
    }
}

/// A label selector.
pub(super) fn label_selector(spot: &Spot<'_, '_>, out: &mut Errors) {
    labels(&spot.at("matchLabels"), out);
    for term in spot.at("matchExpressions").items() {
        let (operator, values) = (term.at("operator"), term.at("values"));
        match operator.text() {
            "In" | "NotIn" if values.is_empty() => {
                out.push(values.required("must be specified when `operator` is 'In' or 'NotIn'"));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                out.push(values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => out.push(operator.invalid("not a valid selector operator")),
        }
        term.at("key").check(names::qualified_name, out);
        for value in values.items() {
            value.check(names::label_value, out);
        }
    }
}

/// An IP address.
pub(super) fn ip(spot: &Spot<'_, '_>, out: &mut Errors) -> Option<IpAddr> {
    let parsed = spot.text().parse().ok();
    if parsed.is_none() {
        out.push(spot.invalid("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
    }
    parsed
}

/// An address of an endpoint: one that others can reach.
pub(super) fn endpoint_ip(spot: &Spot<'_, '_>, out: &mut Errors) {
    let Some(ip) = ip(spot, out) else { return };
    if ip.is_unspecified() {
        out.push(spot.invalid(format!("may not be unspecified ({})", spot.text())));
    }
    let (link_local, link_multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    if ip.is_loopback() {
        out.push(spot.invalid("may not be in the loopback range (127.0.0.0/8, ::1/128)"));
    }
    if link_local {
        out.push(spot.invalid("may not be in the link-local range (169.254.0.0/16, fe80::/10)"));
    }
    if link_multicast {
        out.push(spot.invalid("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"));
    }
}

/// A range of addresses.
pub(super) fn cidr(spot: &Spot<'_, '_>, out: &mut Errors) -> Option<IpNet> {
    let parsed = spot.text().trim().parse().ok();
    if parsed.is_none() {
        out.push(spot.invalid("must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"));
    }
    parsed
}

/// A port number.
pub(super) fn port(spot: &Spot<'_, '_>, out: &mut Errors) {
    let number = spot.int().unwrap_or(0);
    out.extend(names::port_number(number).into_iter().map(|m| spot.invalid_as(number, m)));
}

/// A port number or the name of a port.
pub(super) fn port_or_name(spot: &Spot<'_, '_>, out: &mut Errors) {
    match spot.value() {
        Value::String(_) => spot.check_even_empty(names::port_name, out),
        _ => port(spot, out),
    }
}

/// The amount, if it is one; decoding sees to that.
pub(super) fn amount(spot: &Spot<'_, '_>) -> Option<Quantity> {
    spot.text().parse().ok()
}

/// An amount that may not be negative.
pub(super) fn amount_not_negative(spot: &Spot<'_, '_>, out: &mut Errors) {
    if amount(spot).is_some_and(|a| a < Quantity::ZERO) {
        out.push(spot.invalid(NEGATIVE));
    }
}

/// A relative path without steps back.
pub(super) fn descending_path(spot: &Spot<'_, '_>, out: &mut Errors) {
    if spot.text().starts_with('/') {
        out.push(spot.invalid("must be a relative path"));
    }
    no_backsteps(spot, out);
}

/// A path without `..`.
pub(super) fn no_backsteps(spot: &Spot<'_, '_>, out: &mut Errors) {
    if spot.text().split('/').any(|part| part == "..") {
        out.push(spot.invalid("must not contain '..'"));
    }
}

/// A relative path for a file of a volume: those that begin with `..` are the writer's own.
pub(super) fn volume_path(spot: &Spot<'_, '_>, out: &mut Errors) {
    descending_path(spot, out);
    let text = spot.text();
    if text.starts_with("..") && !text.starts_with("../") {
        out.push(spot.invalid("must not start with '..'"));
    }
}

/// Permission bits of a file.
pub(super) fn file_mode(spot: &Spot<'_, '_>, out: &mut Errors) {
    if spot.int().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        out.push(spot.invalid("must be a number between 0 and 0777 (octal), both inclusive"));
    }
}
