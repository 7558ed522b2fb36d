"""The GP reproduces the reference implementation's numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_gpcis.gp import GPClassifier, Posterior, TrainingNoise, amortisation_loss

TOLERANCE = 1e-5
REFERENCE_NAMES = {
    "log_precision": "logsigma2",
    "raw_colour_weight": "weights",
    "prior_path.omega": "omega",
    "prior_path.omega_std": "omega_var",
    "prior_path.theta.weight": "theta.weight",
    "prior_path.theta.bias": "theta.bias",
    "target_mlp.0.weight": "u_mlp.0.weight",
    "target_mlp.0.bias": "u_mlp.0.bias",
    "target_mlp.2.weight": "u_mlp.2.weight",
    "target_mlp.2.bias": "u_mlp.2.bias",
}


@pytest.fixture
def reference(oracle: dict[str, Tensor]) -> GPClassifier:
    """The classifier with the reference's parameters."""
    classifier = GPClassifier()
    classifier.load_state_dict(
        {ours: oracle[f"param.{theirs}"] for ours, theirs in REFERENCE_NAMES.items()}
    )
    return classifier.eval()


def clicks_of(points: Tensor) -> Tensor:
    """Reference points (positive slots, then negative ones; −1 empty) → our clicks."""
    half = len(points) // 2
    signs = torch.where(torch.arange(len(points)) < half, 1.0, -1.0)
    used = points[:, 2] >= 0
    return torch.cat([points[:, :2].trunc(), signs.unsqueeze(1)], 1)[used]


def condition(
    classifier: GPClassifier,
    feature: Tensor,
    points: Tensor,
    noise_variance: float,
    noise: TrainingNoise | None = None,
) -> Posterior:
    """Split the reference's features, convert its points, condition."""
    clicks = [clicks_of(item) for item in points]
    return classifier.condition(feature[:, :48], feature[:, 48:], clicks, noise_variance, noise)


@pytest.mark.parametrize("epsilon", ["1e-7", "1e-2"])
def test_evaluation_reproduces_the_reference(
    reference: GPClassifier, oracle: dict[str, Tensor], epsilon: str
) -> None:
    posterior = condition(reference, oracle["feature"], oracle["points"], float(epsilon))
    expected = oracle[f"eps{epsilon}.out_f64"].float()
    torch.testing.assert_close(posterior.mean, expected, rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(
        posterior.prior, oracle[f"eps{epsilon}.prior"], rtol=0, atol=TOLERANCE
    )
    torch.testing.assert_close(
        posterior.click_logits.flatten().float(),
        oracle[f"eps{epsilon}.logit_at_clicks"],
        rtol=0,
        atol=TOLERANCE,
    )


def test_target_and_kernel_reproduce_the_reference(
    reference: GPClassifier, oracle: dict[str, Tensor]
) -> None:
    posterior = condition(reference, oracle["feature"], oracle["points"], 1e-7)
    torch.testing.assert_close(posterior.target[0], oracle["m"], rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(
        posterior.kernel.covariance[0], oracle["Knn"], rtol=0, atol=TOLERANCE
    )


def test_a_batch_with_a_click_outside_reproduces_the_reference(
    reference: GPClassifier, oracle: dict[str, Tensor]
) -> None:
    posterior = condition(reference, oracle["batch.feature"], oracle["batch.points"], 1e-7)
    torch.testing.assert_close(posterior.mean, oracle["batch.out"], rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(posterior.prior, oracle["batch.prior"], rtol=0, atol=TOLERANCE)
    assert posterior.kernel.clicks.valid.sum((1, 2)).tolist() == oracle["batch.nclicks"].tolist()


def test_training_mode_losses_and_gradients_reproduce_the_reference(
    reference: GPClassifier, oracle: dict[str, Tensor]
) -> None:
    reference.train()
    noise = TrainingNoise(oracle["train.noise_omega"], oracle["train.noise_u"].unsqueeze(0))
    posterior = condition(reference, oracle["feature"], oracle["points"], 1e-2, noise)
    torch.testing.assert_close(posterior.mean, oracle["train.out"], rtol=0, atol=TOLERANCE)

    own_loss = 0.001 * amortisation_loss(posterior)
    expected = oracle["train.u_loss_weighted"].squeeze()
    torch.testing.assert_close(own_loss, expected, rtol=TOLERANCE, atol=0)

    entropy = F.binary_cross_entropy_with_logits(posterior.mean, oracle["train.bce_target"])
    loss = entropy + own_loss
    torch.testing.assert_close(loss, oracle["train.loss"], rtol=TOLERANCE, atol=0)

    loss.backward()
    for ours, theirs in REFERENCE_NAMES.items():
        gradient = reference.get_parameter(ours).grad
        torch.testing.assert_close(gradient, oracle[f"train.grad.{theirs}"], rtol=0, atol=1e-7)


def test_the_gp_has_the_papers_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in GPClassifier().parameters()) == 18_707
