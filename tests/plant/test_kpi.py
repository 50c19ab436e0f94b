import numpy as np

from plant import kpi


def test_energy_and_cost() -> None:
    power = np.array([[10.0, -4.0, 0.0, 20.0]])
    assert kpi.energy_kwh(power, 900.0)[0] == (10 - 4 + 20) / 4
    cost = kpi.energy_cost(power, np.full(4, 0.2), np.full(4, 0.05), 900.0)
    np.testing.assert_allclose(cost, [(10 * 0.2 - 4 * 0.05 + 20 * 0.2) / 4])


def test_peak_is_the_mean_of_a_whole_window() -> None:
    power = np.array([[100.0, 0.0, 0.0, 50.0, 50.0, 50.0, 90.0]])
    assert kpi.demand_peak_kw(power, 300.0, 900.0)[0] == 90.0
    assert kpi.demand_peak_kw(power[:, :6], 300.0, 900.0)[0] == 50.0


def test_starts_count_the_first_step_too() -> None:
    running = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    assert kpi.starts(running, np.array([0.0, 1.0])).tolist() == [2.0, 0.0]


def test_co2_counts_import_only() -> None:
    assert kpi.co2_kg(np.array([[4.0, -4.0]]), np.array([500.0, 500.0]), 3600.0)[0] == 2.0


def test_metering_windows_follow_the_clock() -> None:
    power = np.array([[0.0, 0.0, 100.0, 100.0, 60.0]])
    assert kpi.demand_windows_kw(power, 900.0, 1800.0).tolist() == [[0.0, 100.0, 60.0]]
    assert kpi.demand_windows_kw(power, 900.0, 1800.0, gone_s=900.0).tolist() == [[0.0, 50.0, 80.0]]
    assert kpi.demand_windows_kw(power[:, :1], 900.0, 3600.0, gone_s=2700.0).tolist() == [[0.0]]
