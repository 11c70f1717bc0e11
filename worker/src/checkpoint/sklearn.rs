//! A model as scikit-learn's `SGDClassifier`: the object that is pickled, and what is taken from one.
//!
//! The attributes are those that scikit-learn 1.5 keeps after `partial_fit` on the tutorial's table with the labels 0
//! to 3, at their default parameters, but for the loss function's object: `partial_fit` makes that anew, and its class
//! is not the same in every version.

use transactions::pickle::numpy::{array_f64, array_i64, read_array, read_f64};
use transactions::pickle::{Object, Value};

use super::{Checkpoint, CheckpointError, FEATURE_NAMES, Metadata, Model};
use crate::model::{CLASSES, FEATURES};

/// The version of scikit-learn whose attributes these are; it warns when another version loads them.
const SKLEARN_VERSION: &str = "1.5.2";
/// The attribute that carries [`Metadata`].
const METADATA: &str = "checkpoint_metadata_";
const MODULE: &str = "sklearn.linear_model._stochastic_gradient";
const CLASS: &str = "SGDClassifier";

/// The classifier of a model.
pub(super) fn classifier(model: &Model, metadata: Option<&Metadata>) -> Value {
    // scikit-learn takes seeds of 32 bits only.
    let seed = metadata.map_or(Value::None, |metadata| Value::Int((metadata.seed & u64::from(u32::MAX)) as i64));
    let mut state: Vec<(Value, Value)> = parameters(seed).map(|(name, value)| (Value::str(name), value)).into();
    let fitted = [
        ("feature_names_in_", names(&FEATURE_NAMES)),
        ("n_features_in_", Value::Int(FEATURES as i64)),
        ("classes_", array_i64(&[CLASSES], &[0, 1, 2, 3])),
        ("_expanded_class_weight", array_f64(&[CLASSES], &[1.0; CLASSES])),
        ("coef_", array_f64(&[CLASSES, FEATURES], model.coef.as_flattened())),
        ("intercept_", array_f64(&[CLASSES], &model.intercept)),
        ("t_", Value::Float(model.t)),
        ("n_iter_", Value::Int(1)),
        ("_sklearn_version", Value::str(SKLEARN_VERSION)),
    ];
    state.extend(fitted.map(|(name, value)| (Value::str(name), value)));
    state.extend(metadata.map(|metadata| (Value::str(METADATA), Value::str(metadata.to_text(model)))));
    Object::instance(Value::global(MODULE, CLASS), Value::Dict(state)).into()
}

/// The parameters of the constructor, all at their defaults but for the seed, and for a rate that is not used: its default
/// was 0 once, with which `fit` is refused from 1.9 on.
fn parameters(seed: Value) -> [(&'static str, Value); 22] {
    [
        ("loss", Value::str("hinge")),
        ("penalty", Value::str("l2")),
        ("learning_rate", Value::str("optimal")),
        ("epsilon", Value::Float(0.1)),
        ("alpha", Value::Float(0.0001)),
        ("C", Value::Float(1.0)),
        ("l1_ratio", Value::Float(0.15)),
        ("fit_intercept", Value::Bool(true)),
        ("shuffle", Value::Bool(true)),
        ("random_state", seed),
        ("verbose", Value::Int(0)),
        ("eta0", Value::Float(0.01)),
        ("power_t", Value::Float(0.5)),
        ("early_stopping", Value::Bool(false)),
        ("validation_fraction", Value::Float(0.1)),
        ("n_iter_no_change", Value::Int(5)),
        ("warm_start", Value::Bool(false)),
        ("average", Value::Bool(false)),
        ("max_iter", Value::Int(1000)),
        ("tol", Value::Float(0.001)),
        ("class_weight", Value::None),
        ("n_jobs", Value::None),
    ]
}

/// A numpy array of strings as objects.
fn names(names: &[&str]) -> Value {
    let Value::Object(mut array) = array_f64(&[names.len()], &vec![0.0; names.len()]) else { return Value::None };
    let Some(Value::Tuple(state)) = &mut array.state else { return Value::None };
    let kind = vec![Value::str("O8"), Value::Bool(false), Value::Bool(true)];
    let mut details = vec![Value::Int(3), Value::str("|"), Value::None, Value::None, Value::None];
    details.extend([Value::Int(-1), Value::Int(-1), Value::Int(63)]);
    state[2] =
        Object { state: Some(Value::Tuple(details)), ..Object::call(Value::global("numpy", "dtype"), kind) }.into();
    state[4] = Value::List(names.iter().map(|name| Value::str(*name)).collect());
    Value::Object(array)
}

/// Takes model and metadata out of a classifier.
pub(super) fn read(value: &Value) -> Result<Checkpoint, CheckpointError> {
    if let Some(name) = refused(value) {
        return Err(CheckpointError::Refused { name });
    }
    let not_a_classifier = |found: &str| CheckpointError::NotAClassifier { found: found.into() };
    let object = value.as_object().ok_or_else(|| not_a_classifier("a plain value"))?;
    match &object.callable {
        Value::Global { module, name } if is_classifier(module, name) => {}
        Value::Global { module, name } => return Err(not_a_classifier(&format!("a `{module}.{name}`"))),
        _ => return Err(not_a_classifier("the result of a call")),
    }
    check_shape_of_data(object)?;
    let coef = array(object, "coef_", &[CLASSES, FEATURES])?;
    let intercept = array(object, "intercept_", &[CLASSES])?;
    let t = attribute(object, "t_")?;
    let t = read_f64(t)
        .filter(|t| *t >= 1.0)
        .ok_or(CheckpointError::Attribute { attribute: "t_", reason: "it is not a number from 1 on".into() })?;
    if !t.is_finite() {
        return Err(CheckpointError::NotFinite { attribute: "t_" });
    }
    let coef = std::array::from_fn(|class| std::array::from_fn(|feature| coef[class * FEATURES + feature]));
    let model = Model { coef, intercept: std::array::from_fn(|class| intercept[class]), t };
    let metadata = match object.attribute(METADATA) {
        None => None,
        Some(text) => {
            let text = text.as_str().ok_or_else(|| "it is no text".to_string());
            let metadata = text.and_then(|text| Metadata::from_text(text, &model));
            metadata.map_err(|reason| CheckpointError::Attribute { attribute: METADATA, reason })?
        }
    };
    Ok(Checkpoint { model, metadata })
}

/// Classes and features must be the tutorial's, where the classifier names them.
fn check_shape_of_data(object: &Object) -> Result<(), CheckpointError> {
    let wrong = |attribute, reason: &str| Err(CheckpointError::Attribute { attribute, reason: reason.into() });
    let classes = array(object, "classes_", &[CLASSES])?;
    if classes != [0.0, 1.0, 2.0, 3.0] {
        return wrong("classes_", &format!("they are {classes:?}, not 0 to 3"));
    }
    let Some(names) = object.attribute("feature_names_in_") else { return Ok(()) };
    let names = match names.as_object().and_then(|array| array.state.as_ref()) {
        Some(Value::Tuple(state)) => state.last(),
        _ => None,
    };
    match names {
        Some(Value::List(names)) if names.iter().map(Value::as_str).eq(FEATURE_NAMES.map(Some)) => Ok(()),
        _ => wrong("feature_names_in_", "they are not the names of the tutorial's columns, in their order"),
    }
}

fn attribute<'a>(object: &'a Object, attribute: &'static str) -> Result<&'a Value, CheckpointError> {
    object.attribute(attribute).ok_or_else(|| CheckpointError::Attribute { attribute, reason: "it is missing".into() })
}

/// An array of finite numbers.
fn array(object: &Object, name: &'static str, shape: &[usize]) -> Result<Vec<f64>, CheckpointError> {
    let wrong = |reason| CheckpointError::Attribute { attribute: name, reason };
    let array = read_array(attribute(object, name)?).map_err(|error| wrong(error.to_string()))?;
    if array.shape != shape {
        return Err(wrong(format!("its shape is {:?}, not {shape:?}", array.shape)));
    }
    let numbers = array.to_f64();
    let finite = numbers.iter().all(|number| number.is_finite());
    if finite { Ok(numbers) } else { Err(CheckpointError::NotFinite { attribute: name }) }
}

/// The module was named without underscore before scikit-learn 0.22.
fn is_classifier(module: &str, name: &str) -> bool {
    (module == MODULE || module == "sklearn.linear_model.stochastic_gradient") && name == CLASS
}

/// The first class or function that a classifier does not consist of.
fn refused(value: &Value) -> Option<String> {
    let each = |values: &[Value]| values.iter().find_map(refused);
    let pairs =
        |pairs: &[(Value, Value)]| pairs.iter().find_map(|(key, value)| refused(key).or_else(|| refused(value)));
    match value {
        Value::Global { module, name } if !is_known(module, name) => Some(format!("{module}.{name}")),
        Value::List(values) | Value::Tuple(values) | Value::Set(values) | Value::FrozenSet(values) => each(values),
        Value::Dict(entries) => pairs(entries),
        Value::Object(object) => {
            let Object { callable, args, kwargs, new: _, state, items, entries } = &**object;
            let parts = [callable, args].into_iter().chain(kwargs).chain(state);
            parts.into_iter().find_map(refused).or_else(|| each(items)).or_else(|| pairs(entries))
        }
        _ => None,
    }
}

/// The classifier, its loss functions, and what numpy's arrays, numbers and random states are made of.
fn is_known(module: &str, name: &str) -> bool {
    match module {
        "numpy" => ["ndarray", "dtype"].contains(&name),
        "numpy.core.multiarray" | "numpy._core.multiarray" => ["_reconstruct", "scalar"].contains(&name),
        "numpy.core.numeric" | "numpy._core.numeric" => name == "_frombuffer",
        "sklearn.linear_model._sgd_fast" | "sklearn.linear_model.sgd_fast" | "sklearn._loss._loss" => true,
        _ => is_classifier(module, name),
    }
}
