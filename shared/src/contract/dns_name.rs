//! Domain names in one form, so that names written differently can be compared.

/// The longest label, in bytes.
/// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>
const LONGEST_LABEL: usize = 63;
/// The longest name with its dots, in bytes. Same source.
const LONGEST_NAME: usize = 255;

/// The form that names are compared in: lower case, with its trailing dot, and with escape codes (`\052` for `*`) only
/// where a character has no other form. Route 53 lists names in such a form, but escapes more characters.
///
/// # Errors
/// What is wrong with the name.
pub fn normal_dns_name(name: &str) -> Result<String, String> {
    if !name.is_ascii() {
        return Err(format!("expected a domain name in ASCII (Punycode for others), found {name:?}"));
    }
    let labels = labels(name)?;
    let length: usize = labels.iter().map(|label| label.len() + 1).sum();
    let fits = labels.iter().all(|label| (1..=LONGEST_LABEL).contains(&label.len()));
    if !fits || length > LONGEST_NAME {
        return Err(format!("expected a domain name such as \"app.example.com\", found {name:?}"));
    }
    Ok(labels.iter().flat_map(|label| label.iter().map(|byte| written(*byte)).chain([".".to_owned()])).collect())
}

/// The labels' bytes, escape codes resolved. An escaped dot is part of a label, not the end of one.
fn labels(name: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut labels = vec![Vec::new()];
    let mut rest = name.strip_suffix('.').filter(|rest| !rest.ends_with('\\')).unwrap_or(name).as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match first {
            b'.' => labels.push(Vec::new()),
            b'\\' => {
                let (code, others) = rest
                    .split_at_checked(3)
                    .and_then(|(digits, others)| Some((octal(digits)?, others)))
                    .ok_or_else(|| format!("expected three octal digits after each backslash, found {name:?}"))?;
                rest = others;
                push(&mut labels, code);
            }
            byte => push(&mut labels, *byte),
        }
    }
    Ok(labels)
}

fn push(labels: &mut [Vec<u8>], byte: u8) {
    if let Some(label) = labels.last_mut() {
        label.push(byte.to_ascii_lowercase());
    }
}

fn octal(digits: &[u8]) -> Option<u8> {
    // `from_str_radix` would take a sign.
    if !digits.iter().all(|digit| (b'0'..=b'7').contains(digit)) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

fn written(byte: u8) -> String {
    if byte.is_ascii_graphic() && byte != b'.' && byte != b'\\' {
        char::from(byte).to_string()
    } else {
        format!("\\{byte:03o}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_route_53_takes_for_the_same_have_one_form() {
        for (name, form) in [
            ("app.example.com", "app.example.com."),
            ("app.example.com.", "app.example.com."),
            ("APP.Example.COM", "app.example.com."),
            ("*.example.com", "*.example.com."),
            (r"\052.example.com.", "*.example.com."),
            (r"\101pp.example.com", "app.example.com."),
            (r"a\056b.example.com", r"a\056b.example.com."),
            (r"a\134b.example.com", r"a\134b.example.com."),
            (r"a\040b.example.com", r"a\040b.example.com."),
            (r"a\351.example.com", r"a\351.example.com."),
            ("com", "com."),
        ] {
            assert_eq!(normal_dns_name(name).as_deref(), Ok(form), "{name}");
        }
    }

    #[test]
    fn what_is_no_name_is_named_in_the_error() {
        let long = "a".repeat(64);
        let many = "a.".repeat(128);
        for name in
            ["", ".", "..", "a..b", ".a", "a..", "äpp.example.com", r"a\5", r"a\9zz.com", r"a\+12.com", r"a\777.com"]
                .into_iter()
                .chain([long.as_str(), many.as_str()])
        {
            let problem = normal_dns_name(name).expect_err(name);
            assert!(problem.contains(&format!("{name:?}")), "{problem}");
        }
    }

    #[test]
    fn the_longest_label_and_the_longest_name_are_names() {
        let label = "a".repeat(LONGEST_LABEL);
        assert!(normal_dns_name(&label).is_ok());
        let name = format!("{label}.{label}.{label}.{}", "a".repeat(62));
        assert_eq!(normal_dns_name(&name).map(|form| form.len()), Ok(LONGEST_NAME));
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself(name in r"([a-zA-Z0-9*_-]|\\[0-3][0-7]{2}){1,10}(\.[a-z]{1,5}){0,3}\.?") {
            let form = normal_dns_name(&name).expect("a name");
            prop_assert_eq!(normal_dns_name(&form), Ok(form.clone()));
        }

        #[test]
        fn no_text_makes_it_panic(name in ".{0,80}") {
            let _ = normal_dns_name(&name);
        }
    }
}
