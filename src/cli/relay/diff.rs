//! Two texts as a unified diff, for people to read. Pure.

/// One line of either text.
enum Step<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

/// The lines of `old` (none: no such file) and `new` that differ, with so many lines `around` them;
/// nothing where none does.
pub(super) fn unified(path: &str, old: Option<&str>, new: &str, around: usize) -> String {
    let steps = steps(
        &old.unwrap_or_default().lines().collect::<Vec<_>>(),
        &new.lines().collect::<Vec<_>>(),
    );
    let changed: Vec<usize> =
        (0..steps.len()).filter(|at| !matches!(steps[*at], Step::Same(_))).collect();
    let (Some(_), Some(_)) = (changed.first(), changed.last()) else { return String::new() };
    let from = if old.is_none() { "nothing".to_owned() } else { path.to_owned() };
    let mut text = format!("--- {from}\n+++ {path}\n");
    let mut at = 0;
    while at < changed.len() {
        let start = changed[at].saturating_sub(around);
        let mut end = changed[at] + around + 1;
        while at < changed.len() && changed[at] <= end + around {
            end = changed[at] + around + 1;
            at += 1;
        }
        let end = end.min(steps.len());
        let (old_start, new_start) = counts(&steps[..start]);
        let (old_lines, new_lines) = counts(&steps[start..end]);
        // A piece without lines is named by the line before it.
        let first = |before: usize, lines: usize| before + usize::from(lines > 0);
        text += &format!(
            "@@ -{},{old_lines} +{},{new_lines} @@\n",
            first(old_start, old_lines),
            first(new_start, new_lines)
        );
        for step in &steps[start..end] {
            let (sign, line) = match step {
                Step::Same(line) => (' ', line),
                Step::Gone(line) => ('-', line),
                Step::New(line) => ('+', line),
            };
            text += &format!("{sign}{line}\n");
        }
    }
    text
}

/// How many lines of the old and of the new text these are.
fn counts(steps: &[Step]) -> (usize, usize) {
    let old = steps.iter().filter(|step| !matches!(step, Step::New(_))).count();
    let new = steps.iter().filter(|step| !matches!(step, Step::Gone(_))).count();
    (old, new)
}

/// By the longest common subsequence; what both begin and end with costs nothing.
fn steps<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Step<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - head;
    let ends = old.iter().rev().zip(new.iter().rev());
    let tail = ends.take(rest).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    // common[i][j]: of what follows a[i] and b[j].
    let mut common = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let mut steps: Vec<Step> = old[..head].iter().map(|line| Step::Same(line)).collect();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            steps.push(Step::Same(a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            steps.push(Step::Gone(a[i]));
            i += 1;
        } else {
            steps.push(Step::New(b[j]));
            j += 1;
        }
    }
    steps.extend(old[old.len() - tail..].iter().map(|line| Step::Same(line)));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_shown_as_diff_shows_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nc\nD\ne\nf\ng\nh\ni\n";
        let expected = "--- x\n+++ x\n@@ -3,3 +3,3 @@\n c\n-d\n+D\n e\n@@ -8,1 +8,2 @@\n h\n+i\n";
        assert_eq!(unified("x", Some(old), new, 1), expected);
        let bare = "--- x\n+++ x\n@@ -4,1 +4,1 @@\n-d\n+D\n@@ -8,0 +9,1 @@\n+i\n";
        assert_eq!(unified("x", Some(old), new, 0), bare);
        assert_eq!(unified("x", None, "a\n", 3), "--- nothing\n+++ x\n@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(unified("x", Some(old), old, 3), "");
    }
}
