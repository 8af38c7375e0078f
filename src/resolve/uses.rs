//! The variables that expressions and templates use.

use std::collections::BTreeSet;

use minijinja::Environment;

use super::render::bare;

/// The variables that an expression uses, such as a `when`; none where it is no
/// expression.
#[must_use]
pub fn of_expression(text: &str) -> BTreeSet<String> {
    let environment = Environment::empty();
    let compiled = environment.compile_expression(bare(text));
    let names = compiled.map(|expression| expression.undeclared_variables(false));
    names.into_iter().flatten().collect()
}

/// The variables that a template uses; none where it is no template.
#[must_use]
pub fn of_template(text: &str) -> BTreeSet<String> {
    let environment = Environment::empty();
    let compiled = environment.template_from_str(text);
    let names = compiled.map(|template| template.undeclared_variables(false));
    names.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_are_looked_up() {
        let names = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(names(of_expression("a.b == 'c' and d | unheard(of=e) is odd")), "a d e");
        assert_eq!(names(of_expression("{{ a }}")), "a");
        assert_eq!(names(of_expression("a b")), "");
        let template = "{% for x in list %}{{ x }} {{ y }} word{% endfor %}{# z #}";
        assert_eq!(names(of_template(template)), "list y");
    }
}
