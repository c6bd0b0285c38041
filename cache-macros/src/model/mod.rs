//! Raw values to a plan: every rule lives here, and a plan is always valid.

pub(crate) mod batch;
mod cover;
mod coverage;
pub(crate) mod detach;
pub(crate) mod foreign;
mod form;
pub(crate) mod function;
mod item;
pub(crate) mod key;
mod kinds;
pub(crate) mod mode;
pub(crate) mod output;
mod parameters;
pub(crate) mod placeholder;
pub(crate) mod policy;
pub(crate) mod recursion;
mod skipped;
pub(crate) mod targets;

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Expr, Ident, Path, Type};

use self::{
    batch::{Batch, Element, is_batch},
    detach::Detach,
    function::{Argument, Companion, Form, mentions},
    key::{KeyPlan, Use},
    mode::Mode,
    placeholder::Scope,
    policy::PolicyPlan,
    skipped::Skipped,
    targets::TargetPlan,
};
use crate::{
    diag::Diagnostics,
    parse::{function::Function, options::Options},
};

/// The only thing that `expand` receives.
pub(crate) struct Plan {
    pub(crate) function: Function,
    /// The function's body, in braces.
    pub(crate) body: TokenStream,
    pub(crate) runtime: Option<Path>,
    pub(crate) form: Form,
    /// What the function's future gives.
    pub(crate) output: Type,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) key: Option<KeyPlan>,
    pub(crate) tags: Vec<KeyPlan>,
    pub(crate) batch: Option<Batch>,
    pub(crate) policy: PolicyPlan,
    pub(crate) mode: Mode,
    pub(crate) targets: Vec<TargetPlan>,
    pub(crate) bypass_if: Option<Expr>,
    pub(crate) cache: Option<Expr>,
    /// 0 where none is given.
    pub(crate) version: u32,
    pub(crate) companion: Companion,
    pub(crate) detach: Detach,
    /// Whether the compiler must say whether `Self` has parameters.
    pub(crate) probes_self: bool,
}

impl Plan {
    /// `Err` gives the function back, and the arguments marked as skipped, with the mistakes recorded.
    pub(crate) fn new(
        mut function: Function,
        options: Options,
        written: TokenStream,
        diagnostics: &mut Diagnostics,
    ) -> Result<Self, (Box<Function>, Vec<usize>)> {
        let marked = function::take_skip_markers(&mut function.signature, diagnostics);
        item::check_routes(&function, diagnostics);
        let checked = item::check(&function, options.companion.as_ref(), diagnostics);
        let arguments = function::arguments(&function.signature, checked.as_ref().map(|(form, _)| *form));
        let output = checked.as_ref().map(|(_, output)| output);
        mode::check_transactions(&arguments, diagnostics);
        let mode = Mode::new(&function, &options, &arguments, output, written, diagnostics);
        let batch = Batch::new(&options, &function, &arguments, diagnostics);
        let element = Element::new(&options);
        let scope = Scope { function: &function, arguments: &arguments, element };
        let key = options.key.as_ref();
        let key = key.map(|key| KeyPlan::new(&key.value, scope, Use::Key, diagnostics));
        let tags = options.tags.iter().flat_map(|tags| &tags.value);
        let tags: Vec<_> = tags.map(|tag| KeyPlan::new(tag, scope, Use::Tag, diagnostics)).collect();
        let mut skipped = Skipped::new(&options, &marked, scope, key.as_ref(), diagnostics);
        if let Some(batch) = &batch {
            skipped.arguments.insert(batch.list);
            let list = &arguments[batch.list].ident;
            for template in key.iter().chain(&tags) {
                template.check_batch(batch, list, diagnostics);
            }
        }
        if let Some(key) = &key {
            // Where the list of a batch is not known it would be the one that is missing.
            let list_unknown = element.is_some() && batch.is_none();
            if matches!(mode, Some(Mode::Read)) && !list_unknown {
                coverage::check_arguments(key, &skipped, scope, &options, diagnostics);
            }
            if let Some(batch) = &batch {
                coverage::check_element(key, batch, &skipped, diagnostics);
            }
            if checked.is_some() {
                parameters::check(key, &skipped, &function, diagnostics);
            }
        }
        let probes_self = parameters::must_probe(key.as_ref(), &skipped, &function);
        let policy = PolicyPlan::new(&options, diagnostics);
        if let (Some(Mode::Read | Mode::WriteThrough { value: None }), Some(output)) = (&mode, output) {
            let output = if is_batch(&options) { batch::value(output).unwrap_or(output) } else { output };
            output::check(&function.signature.ident, output, diagnostics);
        }
        let targets = targets::targets(&options, scope, diagnostics);
        function::check_hidden(&arguments, &skipped, key.as_ref(), &mode, &tags, &targets, diagnostics);
        let companion = Companion::new(&function, options.companion.clone());
        let detach = Detach::new(
            scope,
            &options,
            mode.as_ref(),
            policy.ttl.as_ref(),
            &targets,
            &companion,
            diagnostics,
        );
        if !is_batch(&options) {
            detach::check_kind(&options, mode.as_ref(), diagnostics);
            targets::check_fences(&options, mode.as_ref(), diagnostics);
        }
        match (diagnostics.is_empty(), checked, mode, function.body.clone()) {
            (true, Some((form, output)), Some(mode), Some(body)) => Ok(Self {
                function,
                body,
                runtime: options.runtime.map(|runtime| runtime.value),
                form,
                output,
                arguments,
                key,
                tags,
                batch,
                policy,
                mode,
                targets,
                bypass_if: options.bypass_if.map(|bypass_if| bypass_if.value),
                cache: options.cache.map(|cache| cache.value),
                version: options.version.map_or(0, |version| version.value),
                companion,
                detach,
                probes_self,
            }),
            _ => Err((Box::new(function), marked)),
        }
    }

    /// Whether the attribute uses an argument, so that the body need not.
    pub(crate) fn uses(&self, name: &Ident) -> bool {
        let in_key = |key: &KeyPlan| {
            key.arguments().iter().any(|index| {
                let argument = &self.arguments[*index];
                argument.pattern.is_none() && argument.names.contains(name)
            }) || key.binds(name)
        };
        let in_text = |tokens: TokenStream| mentions(tokens, name);
        let policy = &self.policy;
        self.key.iter().chain(&self.tags).any(in_key)
            || self.targets.iter().any(|target| target.key().is_some_and(in_key))
            || self.targets.iter().filter_map(TargetPlan::expression).any(in_text)
            || [&self.cache, &self.bypass_if, &policy.cache_if, &policy.unchanged_if]
                .into_iter()
                .flatten()
                .any(|expr| in_text(expr.to_token_stream()))
            || policy.ttl.as_ref().and_then(|ttl| ttl.expression()).is_some_and(in_text)
            || matches!(&self.mode, Mode::WriteThrough { value: Some(value) } if value == name)
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.function.signature.ident
    }
}
