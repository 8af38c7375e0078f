//! What can be told of a template without rendering it: the names, filters and
//! tests in its code, and which names it is prepared to do without.
//!
//! A template that waits for a result stops at the first name that is not there
//! yet. Looking at its code finds what is wrong behind that point.

use std::collections::BTreeSet;
use std::ops::Range;

use super::lexer::{self, Kind, Token};

/// The code of a template, or an expression.
#[derive(Debug)]
pub(super) struct Code<'t> {
    text: &'t str,
    tokens: Vec<Token>,
}

/// A word of the code and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub(super) word: &'t str,
    pub(super) range: Range<usize>,
}

impl<'t> Code<'t> {
    /// The code of a bare expression.
    pub(super) fn of_expression(text: &'t str) -> Self {
        Self { text, tokens: lexer::of_expression(text) }
    }

    /// The code between the braces of a template.
    pub(super) fn of_template(text: &'t str) -> Self {
        Self { text, tokens: lexer::of_template(text) }
    }

    fn is(&self, at: usize, kind: Kind) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == kind)
    }

    fn word(&self, at: usize) -> Option<&'t str> {
        let token = self.tokens.get(at).filter(|token| token.kind == Kind::Name)?;
        Some(&self.text[token.range.clone()])
    }

    fn before(&self, at: usize, kind: Kind) -> bool {
        at > 0 && self.is(at - 1, kind)
    }

    /// Where names of variables stand: words that are no attribute, filter, test,
    /// argument name or keyword.
    fn variables(&self) -> impl Iterator<Item = (usize, Word<'t>)> {
        (0..self.tokens.len()).filter_map(|at| {
            let word = self.word(at)?;
            let is_argument = self.is(at + 1, Kind::Mark('='))
                && !self.is(at + 2, Kind::Mark('='))
                && (self.before(at, Kind::Mark('(')) || self.before(at, Kind::Mark(',')));
            let other = self.before(at, Kind::Mark('.'))
                || self.is_filter(at)
                || self.is_test(at)
                || is_argument
                || KEYWORDS.contains(&word);
            let range = self.tokens[at].range.clone();
            (!other).then_some((at, Word { word, range }))
        })
    }

    fn is_filter(&self, at: usize) -> bool {
        self.before(at, Kind::Mark('|'))
    }

    fn is_test(&self, at: usize) -> bool {
        let back = |steps: usize| at.checked_sub(steps).and_then(|at| self.word(at));
        back(1) == Some("is") || (back(1) == Some("not") && back(2) == Some("is"))
    }

    /// The first variable for which `wanted` holds where the code relies on it: it
    /// gives it no default there, does not ask whether it is defined, and does not
    /// set it itself.
    pub(super) fn needed(&self, wanted: impl Fn(&str) -> bool) -> Option<Word<'t>> {
        let own = self.assigned();
        self.variables()
            .filter(|(at, word)| !own.contains(word.word) && !self.is_asked_for(*at))
            .map(|(_, word)| word)
            .find(|word| wanted(word.word))
    }

    /// The names that statements set.
    pub(super) fn assigned(&self) -> BTreeSet<&'t str> {
        let assigned = self.variables().filter(|(at, _)| self.is_assigned(*at));
        assigned.map(|(_, word)| word.word).collect()
    }

    /// Whether a variable, or a part of it, may be undefined.
    fn is_asked_for(&self, at: usize) -> bool {
        self.has_alternative(at + 2 * self.chain(at).len())
    }

    /// The first variable for which `wanted` holds.
    pub(super) fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<Word<'t>> {
        self.variables().map(|(_, word)| word).find(|word| wanted(word.word))
    }

    /// The filters in the code.
    pub(super) fn filters(&self) -> Vec<Word<'t>> {
        self.words(Self::is_filter)
    }

    /// The tests in the code.
    pub(super) fn tests(&self) -> Vec<Word<'t>> {
        let tests = self.words(Self::is_test);
        tests.into_iter().filter(|word| word.word != "not").collect()
    }

    fn words(&self, wanted: fn(&Self, usize) -> bool) -> Vec<Word<'t>> {
        let words = (0..self.tokens.len()).filter(|at| wanted(self, *at));
        let words = words.filter_map(|at| {
            Some(Word { word: self.word(at)?, range: self.tokens[at].range.clone() })
        });
        words.collect()
    }

    /// Variables with the attributes that follow them, as in `name.a.b`; those
    /// without attributes are left out, and those that may lack their last one.
    pub(super) fn chains(&self) -> Vec<(Word<'t>, Vec<Word<'t>>)> {
        let mentions = self.variables().map(|(at, word)| {
            let mut chain = self.chain(at);
            if self.has_alternative(at + 2 * chain.len()) {
                chain.pop();
            }
            (word, chain)
        });
        mentions.filter(|(_, chain)| !chain.is_empty()).collect()
    }

    fn chain(&self, mut at: usize) -> Vec<Word<'t>> {
        let mut chain = Vec::new();
        while self.is(at + 1, Kind::Mark('.'))
            && let Some(word) = self.word(at + 2)
        {
            at += 2;
            chain.push(Word { word, range: self.tokens[at].range.clone() });
        }
        chain
    }

    /// Whether the value that ends with this token may be undefined: a default or a
    /// question follows it, perhaps behind parentheses.
    fn has_alternative(&self, at: usize) -> bool {
        let next = (at + 1..).find(|next| !self.is(*next, Kind::Mark(')'))).unwrap_or(at);
        let word = |at| self.word(at).unwrap_or_default();
        match self.tokens.get(next).map(|token| token.kind) {
            Some(Kind::Mark('|')) => ["default", "d"].contains(&word(next + 1)),
            Some(Kind::Name) if word(next) == "is" => {
                let test = if word(next + 1) == "not" { word(next + 2) } else { word(next + 1) };
                ["defined", "undefined"].contains(&test)
            }
            _ => false,
        }
    }

    /// Whether a statement sets the name: `set x = …`, `for x, y in …`, `with x = …`.
    fn is_assigned(&self, at: usize) -> bool {
        let targets = |token: &&Token| {
            let word = &self.text[token.range.clone()];
            match token.kind {
                Kind::Name => {
                    !["set", "for", "with", "macro", "call", "import", "in"].contains(&word)
                }
                Kind::Mark(mark) => [',', '(', ')'].contains(&mark),
                Kind::Text => false,
            }
        };
        let before = self.tokens[..at].iter().rev().find(|token| !targets(token));
        before.is_some_and(|token| {
            token.kind == Kind::Name && &self.text[token.range.clone()] != "in"
        })
    }
}

/// Words that are never variables.
const KEYWORDS: [&str; 40] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "endif",
    "for",
    "endfor",
    "set",
    "endset",
    "with",
    "endwith",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "raw",
    "endraw",
    "do",
    "block",
    "endblock",
    "extends",
    "include",
    "import",
    "from",
    "as",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "recursive",
    "autoescape",
    "endautoescape",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'t>(code: &Code<'t>) -> Vec<&'t str> {
        code.variables().map(|(_, word)| word.word).collect()
    }

    #[test]
    fn names_are_told_from_everything_else() {
        let cases: [(&str, &[&str]); 9] = [
            ("a {{ b }} c {{ d.e | f(g) }}", &["b", "d", "g"]),
            ("{{ a is b }} {{ c is not d }} {{ e not in f }}", &["a", "c", "e", "f"]),
            ("{{ 'a {{ b }}' ~ \"c\\\" d\" ~ e }}", &["e"]),
            ("{# a {{ b }} #}{{ c }}", &["c"]),
            ("{% raw %}{{ a }}{% endraw %}{{ b }}", &["b"]),
            ("{%- raw -%}{{ a }}{%- endraw -%}{{ b }}", &["b"]),
            ("{{ f(a=b, c=d) }}", &["f", "b", "d"]),
            ("{{ a['b'].c[d] }} {{ 1e5 + 2 }}", &["a", "d"]),
            ("{{ a", &["a"]),
        ];
        for (text, expected) in cases {
            assert_eq!(names(&Code::of_template(text)), expected, "{text}");
        }
        let expression = Code::of_expression("a.b == 'c' and d[e]|f");
        assert_eq!(names(&expression), ["a", "d", "e"]);
        assert_eq!(expression.filters()[0].word, "f");
        assert_eq!(expression.find(|name| name == "e").map(|word| word.range), Some(17..18));
    }

    #[test]
    fn what_is_needed_is_told_by_its_place() {
        let cases: [(&str, Option<&str>); 11] = [
            ("{{ a }}", Some("a")),
            ("{{ a | default('x') }}", None),
            ("{{ a.b.c | d('x') }}", None),
            ("{{ a | default(b) }}", Some("b")),
            ("{{ a | default('x') }} {{ a }}", Some("a")),
            ("{{ a is not undefined and b }}", Some("b")),
            ("{% set a = 1 %}{{ a ~ b }}", Some("b")),
            ("{% for a, b in c %}{{ a }}{% endfor %}", Some("c")),
            ("{% for a in b | default([]) %}{% endfor %}", None),
            ("{% with a = b %}{{ a }}{% endwith %}", Some("b")),
            ("{% macro f(a, b) %}{{ a }}{% endmacro %}", None),
        ];
        for (text, expected) in cases {
            let needed = Code::of_template(text).needed(|_| true).map(|word| word.word);
            assert_eq!(needed, expected, "{text}");
        }
    }

    #[test]
    fn attributes_follow_their_variable() {
        let code = Code::of_template("{{ a.b.c }} {{ a }} {{ x.a.y }} {{ d.e | default(1) }}");
        let words = |chain: &[Word<'_>]| chain.iter().map(|word| word.word.to_owned()).collect();
        let chains = code.chains();
        let chains: Vec<(&str, Vec<String>)> =
            chains.iter().map(|(name, chain)| (name.word, words(chain))).collect();
        let texts = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(chains, [("a", texts(&["b", "c"])), ("x", texts(&["a", "y"]))]);
    }
}
