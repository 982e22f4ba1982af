import pytest

from tombola import errors

EXAMPLES = [
    (errors.UnsupportedModuleError("blocks.3", "torch.nn.LSTM", ["Linear", "ReLU"]), ValueError, "blocks.3"),
    (errors.TicketFileError("a.ticket", "is shorter than its header says"), ValueError, "shorter"),
    (errors.ToleranceError(3, 0.25, 0.01), RuntimeError, "3 weights"),
    (errors.DataNotFoundError("mnist", ["/here/mnist.npz"], "set TOMBOLA_DATA"), FileNotFoundError, "/here/mnist.npz"),
]


@pytest.mark.parametrize(("error", "builtin", "said"), EXAMPLES)
def test_an_error_is_of_the_package_and_of_the_builtin_kind(error, builtin, said):
    assert isinstance(error, errors.TombolaError)
    assert isinstance(error, builtin)
    assert said in str(error)


def test_every_error_of_the_package_is_in_the_table():
    public = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert public - {errors.TombolaError} == {type(error) for error, _, _ in EXAMPLES}


def test_an_error_carries_the_data_of_its_message():
    unsupported, file, tolerance, data = (error for error, _, _ in EXAMPLES)
    assert (unsupported.path, unsupported.operation, unsupported.supported) == (
        "blocks.3",
        "torch.nn.LSTM",
        ("Linear", "ReLU"),
    )
    assert (str(file.path), file.reason) == ("a.ticket", "is shorter than its header says")
    assert (tolerance.failures, tolerance.largest, tolerance.epsilon) == (3, 0.25, 0.01)
    assert (data.name, [str(path) for path in data.looked]) == ("mnist", ["/here/mnist.npz"])


def test_the_model_itself_is_named_when_the_path_is_empty():
    assert "the model itself" in str(errors.UnsupportedModuleError("", "LSTM", ["Linear"]))
