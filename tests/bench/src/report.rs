//! The figures beside their limits: as a table for people, as JSON for programs. Pure.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

use crate::budget::{Limit, ROWS, Row};

/// What was measured so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: BTreeMap<&'static str, Figure>,
}

#[derive(Debug)]
struct Figure {
    value: f64,
    note: String,
}

/// How a figure stands to a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Judged {
    ceiling: bool,
    limit: f64,
    kept: bool,
}

impl Report {
    /// Takes a figure; `note` says how it came about.
    pub(crate) fn put(&mut self, key: &'static str, value: f64, note: impl Into<String>) {
        debug_assert!(ROWS.iter().any(|r| r.key == key), "{key} has no row");
        self.figures.insert(key, Figure { value, note: note.into() });
    }

    fn value(&self, key: &str) -> Option<f64> {
        self.figures.get(key).map(|f| f.value)
    }

    fn judge(&self, limit: Limit, value: f64) -> Option<Judged> {
        let (ceiling, limit) = limit.resolve(|key| self.value(key))?;
        Some(Judged { ceiling, limit, kept: if ceiling { value <= limit } else { value >= limit } })
    }

    fn rows(&self) -> impl Iterator<Item = (&'static Row, &Figure)> {
        ROWS.iter().filter_map(|row| Some((row, self.figures.get(row.key)?)))
    }

    /// How many figures are over their bar, and how many over their budget.
    pub(crate) fn over(&self) -> (usize, usize) {
        let missed = |limit: Limit, f: &Figure| self.judge(limit, f.value).is_some_and(|j| !j.kept);
        let bars = self.rows().filter(|(row, f)| missed(row.bar, f)).count();
        let budgets = self.rows().filter(|(row, f)| missed(row.budget, f)).count();
        (bars, budgets)
    }

    /// The table.
    pub(crate) fn text(&self) -> String {
        let mut out = format!(
            "{:<44}{:>11} {:<7}{:>9}  {:<18}{:<18}{}\n",
            "figure", "measured", "", "upstream", "budget", "bar", "how"
        );
        for (row, figure) in self.rows() {
            let upstream = row.upstream.map(number).unwrap_or_default();
            let cell = |limit| self.judge(limit, figure.value).map(cell).unwrap_or_default();
            let (budget, bar) = (cell(row.budget), cell(row.bar));
            let value = number(figure.value);
            let line = format!(
                "{:<44}{value:>11} {:<7}{upstream:>9}  {budget:<18}{bar:<18}{}",
                row.what, row.unit, figure.note
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
        let (bars, budgets) = self.over();
        let _ = writeln!(out, "{} figures; over a bar: {bars}; over a budget: {budgets}", self.figures.len());
        out
    }

    /// The same for programs.
    pub(crate) fn json(&self, machine: &Value, binary: &str) -> Value {
        let limit = |limit: Limit, value: f64| match self.judge(limit, value) {
            None => Value::Null,
            Some(j) => json!({ (if j.ceiling { "atMost" } else { "atLeast" }): j.limit, "kept": j.kept }),
        };
        let figures: serde_json::Map<String, Value> = self
            .rows()
            .map(|(row, f)| {
                let figure = json!({
                    "what": row.what.trim(), "value": f.value, "unit": row.unit, "upstream": row.upstream,
                    "budget": limit(row.budget, f.value), "bar": limit(row.bar, f.value), "note": f.note,
                });
                (row.key.to_owned(), figure)
            })
            .collect();
        json!({ "binary": binary, "machine": machine, "figures": figures })
    }
}

fn cell(j: Judged) -> String {
    let sign = if j.ceiling { '≤' } else { '≥' };
    format!("{sign} {} {}", number(j.limit), if j.kept { "ok" } else { "OVER" })
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value.abs() {
        v if v == 0.0 || v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn sample() -> Report {
        let mut report = Report::default();
        report.put("memory.idle", 45.26, "PSS");
        report.put("cri.p50", 200.0, "");
        report.put("pod.p50", 240.0, "20 one after another");
        report.put("create.16", 6100.4, "");
        report.put("gap.api.failed", 0.0, "");
        report.put("writes.idle", 0.02, "");
        report
    }

    #[test]
    fn the_table_says_what_is_over() {
        expect![[r#"
            figure                                         measured         upstream  budget            bar               how
            memory of knarr, idle (PSS)                        45.3 MiB          673  ≤ 32.0 OVER       ≤ 48.0 ok         PSS
            disk writes of knarr, idle                        0.020 KiB/s       19.0  ≤ 0.10 ok         ≤ 1.00 ok
            create ConfigMap, 16 clients                       6100 /s           752  ≥ 6016 ok         ≥ 4512 ok
            sandbox + container by CRI alone, p50               200 ms           220
            pod create → Ready, p50                             240 ms           329  ≤ 230 OVER        ≤ 250 ok          20 one after another
              connections that failed                             0                   ≤ 0 ok
            6 figures; over a bar: 0; over a budget: 2
        "#]].assert_eq(&sample().text());
        assert_eq!(sample().over(), (0, 2));
    }

    #[test]
    fn a_limit_of_a_figure_that_is_missing_is_no_limit() {
        let mut report = Report::default();
        report.put("pod.p50", 400.0, "");
        assert_eq!(report.over(), (0, 0));
        report.put("memory.idle", 400.0, "");
        assert_eq!(report.over(), (1, 1));
    }

    #[test]
    fn json_has_the_same() {
        let json = sample().json(&json!({}), "knarr version 1");
        let pod = &json["figures"]["pod.p50"];
        assert_eq!(pod["budget"], json!({ "atMost": 230.0, "kept": false }));
        assert_eq!(pod["bar"], json!({ "atMost": 250.0, "kept": true }));
        assert_eq!(json["figures"]["cri.p50"]["budget"], Value::Null);
    }
}
