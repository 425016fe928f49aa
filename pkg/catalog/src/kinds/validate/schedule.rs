//! Whether a text is a cron schedule.

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Names, least and most value of the five fields.
const FIELDS: [(&[&str], u32, u32); 5] = [(&[], 0, 59), (&[], 0, 23), (&[], 1, 31), (&MONTHS, 1, 12), (&DAYS, 0, 6)];

/// Five fields, or one of the words that begin with `@`.
pub(super) fn check(text: &str) -> Result<(), String> {
    if let Some(word) = text.strip_prefix('@') {
        let known = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"].contains(&word);
        let every = word.strip_prefix("every ").is_some_and(|d| d.parse::<knarr_api::duration::Duration>().is_ok());
        return if known || every { Ok(()) } else { Err(format!("unrecognized descriptor: {text}")) };
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        return Err(format!("expected exactly 5 fields, found {}: {fields:?}", fields.len())
            .replace(", \"", " \"")
            .replace('"', ""));
    }
    for (field, (names, least, most)) in fields.into_iter().zip(FIELDS) {
        field.split(',').try_for_each(|range| check_range(range, names, least, most))?;
    }
    Ok(())
}

fn check_range(range: &str, names: &[&str], least: u32, most: u32) -> Result<(), String> {
    let (span, step) = match range.split_once('/') {
        Some((span, step)) => (span, Some(step)),
        None => (range, None),
    };
    if step.is_some_and(|s| s.contains('/')) {
        return Err(format!("too many slashes: {range}"));
    }
    let (from, to) = match span.split_once('-') {
        _ if matches!(span, "*" | "?") => (least, most),
        Some((_, to)) if to.contains('-') => return Err(format!("too many hyphens: {range}")),
        Some((from, to)) => (number(from, names, least)?, number(to, names, least)?),
        None => {
            let from = number(span, names, least)?;
            (from, if step.is_some() { most } else { from })
        }
    };
    if let Some(step) = step
        && number(step, &[], 0)? == 0
    {
        return Err(format!("step of range should be a positive number: {range}"));
    }
    if from < least {
        return Err(format!("beginning of range ({from}) below minimum ({least}): {range}"));
    }
    if to > most {
        return Err(format!("end of range ({to}) above maximum ({most}): {range}"));
    }
    if from > to {
        return Err(format!("beginning of range ({from}) beyond end of range ({to}): {range}"));
    }
    Ok(())
}

fn number(text: &str, names: &[&str], least: u32) -> Result<u32, String> {
    let lower = text.to_ascii_lowercase();
    if let Some(at) = (0u32..).zip(names).find(|(_, name)| **name == lower).map(|(at, _)| at) {
        return Ok(at + least);
    }
    text.parse().map_err(|_| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn schedules() {
        for good in ["* * * * *", "*/5 0-6,8 1 jan-mar MON", "@daily", "@every 1h30m", "5/15 * ? * 0"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("@often", "unrecognized descriptor: @often"),
        ] {
            assert_eq!(check(bad), Err(why.to_owned()));
        }
    }
}
