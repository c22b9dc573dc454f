//! Whether two clusters' engine versions allow a managed switchover or failover. Pure.

/// How two engine versions go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The same, as far as it shows.
    Same,
    /// Different patches, which this version allows.
    PatchesDiffer,
    /// Aurora refuses the managed ways.
    Differ,
}

/// Compares two versions as `DescribeDBClusters` gives them: `16.6`, or `8.0.mysql_aurora.3.08.0`.
///
/// Major and minor version have to be the same. The patch has to be for Aurora MySQL, and for old minor versions of Aurora
/// PostgreSQL; most often it does not even show in the version.
/// Source: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-upgrade.html#aurora-global-database-upgrade.minor.incompatibility>
#[must_use]
pub fn fit(one: &str, other: &str) -> Fit {
    if one == other {
        return Fit::Same;
    }
    let (Some(major_minor), Some(others)) = (postgresql(one), postgresql(other)) else {
        return Fit::Differ;
    };
    if major_minor != others || !allows_other_patches(major_minor) {
        return Fit::Differ;
    }
    Fit::PatchesDiffer
}

/// Major and minor version of an Aurora PostgreSQL version; none of anything else.
fn postgresql(version: &str) -> Option<(u32, u32)> {
    if version.contains("mysql") {
        return None;
    }
    let mut parts = version.split(['.', '-']).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn allows_other_patches((major, minor): (u32, u32)) -> bool {
    match major {
        15.. => true,
        14 => minor >= 5,
        13 => minor >= 8,
        12 => minor >= 12,
        11 => minor >= 17,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_versions_fit_whatever_they_are() {
        for version in ["16.6", "8.0.mysql_aurora.3.08.0", "a version of next year"] {
            assert_eq!(fit(version, version), Fit::Same);
        }
    }

    #[test]
    fn another_major_or_minor_version_does_not_fit() {
        for (one, other) in [
            ("16.6", "16.4"),
            ("16.6", "15.6"),
            ("16.6", "8.0.mysql_aurora.3.08.0"),
            ("8.0.mysql_aurora.3.08.0", "8.0.mysql_aurora.3.04.0"),
            ("16.6", "unknown"),
        ] {
            assert_eq!(fit(one, other), Fit::Differ, "{one} {other}");
        }
    }

    #[test]
    fn another_patch_fits_from_the_minor_versions_on_that_allow_it_and_never_for_mysql() {
        for (one, other, expected) in [
            ("16.6.1", "16.6.2", Fit::PatchesDiffer),
            ("16.6", "16.6.2", Fit::PatchesDiffer),
            ("14.5.1", "14.5.2", Fit::PatchesDiffer),
            ("14.4.1", "14.4.2", Fit::Differ),
            ("13.8.1", "13.8.2", Fit::PatchesDiffer),
            ("13.7.1", "13.7.2", Fit::Differ),
            ("12.12.1", "12.12.2", Fit::PatchesDiffer),
            ("11.17.1", "11.17.2", Fit::PatchesDiffer),
            ("11.16.1", "11.16.2", Fit::Differ),
            ("10.21.1", "10.21.2", Fit::Differ),
            ("8.0.mysql_aurora.3.08.0", "8.0.mysql_aurora.3.08.1", Fit::Differ),
        ] {
            assert_eq!(fit(one, other), expected, "{one} {other}");
        }
    }
}
