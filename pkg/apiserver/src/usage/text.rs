//! Reading what an agent tells at `/metrics/resource`: the text format of Prometheus, as much of it as is used there.

use std::collections::BTreeMap;

/// One look at a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// The node as a whole.
    pub(super) node: Point,
    /// Containers by namespace, pod and name.
    pub(super) containers: BTreeMap<(String, String, String), Point>,
}

/// One look at a node or container. What was not told is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    /// When it was measured, milliseconds since 1970.
    pub(super) at: i64,
    /// CPU time since its start, seconds.
    pub(super) cpu: f64,
    /// Working set, bytes.
    pub(super) memory: u64,
    /// When it began, seconds since 1970.
    pub(super) started: f64,
}

impl Point {
    /// Whether CPU and memory were told: without either, nothing is said about it.
    pub(super) fn is_whole(&self) -> bool {
        self.at > 0 && self.memory > 0
    }
}

/// Reads a whole answer; lines that are not understood are passed over.
pub(super) fn parse(text: &str) -> Sample {
    let mut sample = Sample::default();
    for line in text.lines() {
        let Some(line) = Line::parse(line) else { continue };
        let (subject, what) = match line.name.split_once('_') {
            Some(("node", what)) => (&mut sample.node, what),
            Some(("container", what)) => {
                let label = |name| line.label(name);
                let (Some(namespace), Some(pod), Some(name)) = (label("namespace"), label("pod"), label("container"))
                else {
                    continue;
                };
                (sample.containers.entry((namespace, pod, name)).or_default(), what)
            }
            _ => continue,
        };
        match what {
            "cpu_usage_seconds_total" => (subject.cpu, subject.at) = (line.value, line.at),
            // Never below zero; beyond 2^53 no machine has memory.
            "memory_working_set_bytes" => subject.memory = line.value as u64,
            "start_time_seconds" => subject.started = line.value,
            _ => {}
        }
    }
    sample
}

/// `name{label="value",…} value timestamp`
struct Line<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
    at: i64,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        let mut words = rest.split_ascii_whitespace();
        let value = words.next()?.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0)?;
        let at = words.next().map_or(Some(0), |at| at.parse().ok())?;
        Some(Self { name, labels, value, at })
    }

    fn label(&self, name: &str) -> Option<String> {
        self.labels.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone())
    }
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        rest = loop {
            match chars.next()? {
                (i, '"') => break &after[i + 1..],
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, c) => value.push(c),
            }
        };
        labels.push((name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_agents_tell() {
        let text = "# HELP node_cpu_usage_seconds_total x\n\
            node_cpu_usage_seconds_total 12.5 1700000000123\n\
            node_memory_working_set_bytes 1.048576e+06 1700000000123\n\
            container_cpu_usage_seconds_total{container=\"c\",namespace=\"n\",pod=\"p\"} 0.25 1700000000100\n\
            container_memory_working_set_bytes{pod=\"p\", container=\"c\",namespace=\"n\"} 4096 1700000000100\n\
            container_start_time_seconds{container=\"c\",namespace=\"n\",pod=\"p\"} 1.6999999e+09\n\
            pod_memory_working_set_bytes{namespace=\"n\",pod=\"p\"} 4096 1700000000100\n\
            resource_scrape_error 0\n";
        let key = ("n".to_owned(), "p".to_owned(), "c".to_owned());
        let container = Point { at: 1_700_000_000_100, cpu: 0.25, memory: 4096, started: 1_699_999_900.0 };
        let want = Sample {
            node: Point { at: 1_700_000_000_123, cpu: 12.5, memory: 1 << 20, started: 0.0 },
            containers: [(key, container)].into(),
        };
        assert_eq!(parse(text), want);
    }

    #[test]
    fn passes_over_what_it_does_not_understand() {
        for line in [
            "node_memory_working_set_bytes",
            "node_memory_working_set_bytes x",
            "node_memory_working_set_bytes -1",
            "node_memory_working_set_bytes NaN",
            "node_cpu_usage_seconds_total 1 yesterday",
            "container_cpu_usage_seconds_total{container=\"c} 1",
            "container_cpu_usage_seconds_total{container=\"c\"} 1",
            "container_cpu_usage_seconds_total{container=\"c\\",
            "{} 1",
            "",
        ] {
            assert_eq!(parse(line), Sample::default(), "{line}");
        }
        let escaped = Line::parse(r#"a{b="\"\\\n"} 1"#).unwrap();
        assert_eq!(escaped.label("b").unwrap(), "\"\\\n");
    }
}
