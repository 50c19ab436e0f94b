"""Writes what a controller would have written about the test works."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from ems.config import LoadedSite
from ems.historian import Historian
from plant.assets import Mode
from plant.events import Alarm, AlarmState, Event, Priority
from plant.health import Driver, Health, Severity
from plant.identity import content_id
from plant.kpi import Kpi
from plant.orders import (
    Action,
    Command,
    Course,
    Outcome,
    OutcomeKind,
    Plan,
    Reason,
    Rejected,
    Spread,
    StoreCourse,
    Verdict,
    Violation,
)
from plant.series import Forecast, Series
from plant.situation import AssetState, Limit, Permit, Situation, StoreState
from plant.tags import Quality, Reading, Snapshot
from plant.tariff import Prices
from tests.dashboard.works import (
    BEGIN,
    HORIZON,
    LIMIT_KW,
    MACHINES,
    READ,
    STEP,
    STORES,
    Machine,
    alone_kw,
    base_kw,
    drawn_kw,
    hour_of,
    intended,
    level,
    price,
)


@dataclass
class Scribe:
    """Writes what a controller would have written, cycle by cycle."""

    loaded: LoadedSite
    historian: Historian
    time: datetime = BEGIN
    seed: int = 7
    refuse_every: int = 13
    _rng: np.random.Generator = field(init=False)
    _before: dict[str, tuple[bool, float | None]] = field(default_factory=dict)
    _peak: float = 0.0
    cycles: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def run(self, cycles: int) -> Scribe:
        """So many cycles further."""
        for _ in range(cycles):
            self.cycle()
        return self

    def snapshot(self, time: datetime) -> Snapshot:
        """All tags at a time, with noise."""
        readings = []
        for machine in MACHINES:
            on, setpoint = intended(machine, time)
            noise = 1.0 + 0.015 * float(self._rng.standard_normal())
            readings.append(_reading(f"{machine.name}.power", time, drawn_kw(machine, time) * noise))
            readings.append(_reading(f"{machine.name}.running", time, on))
            if machine.setpoint is not None:
                readings.append(_reading(f"{machine.name}.setpoint", time, setpoint))
            if machine.kind in {"compressor", "pump"}:
                hot = (
                    48.0 + (1 - machine.score) * 40 + 2.5 * float(np.sin(hour_of(time))) + 0.6 * float(self._rng.standard_normal())
                )
                readings.append(_reading(f"{machine.name}.bearing", time, hot))
        readings += [
            _reading(f"{name}.level", time, level(name, time) + 0.03 * float(self._rng.standard_normal())) for name in STORES
        ]
        readings.append(_reading("base.power", time, base_kw(time) * (1 + 0.03 * float(self._rng.standard_normal()))))
        return Snapshot(time=time, readings=tuple(readings))

    def cycle(self) -> None:
        """One cycle: readings until now, situation, plan, verdict, commands, outcomes, figures."""
        now, historian = self.time, self.historian
        shots = [self.snapshot(now - STEP + READ * i) for i in (1, 2)] if self.cycles else []
        shots.append(self.snapshot(now))
        for shot in shots:
            historian.write_snapshot(shot)
        cycle = content_id("y", "works", now)
        self._peak = max(self._peak, self._site_kw(shots[-1]))
        situation = self._situation(shots[-1])
        plan, verdict = self._plan(situation), None
        if self.cycles % self.refuse_every == self.refuse_every - 1:
            refused = self._plan(situation, "greedy")
            historian.append_all([("situation", [situation])], cycle=cycle, time=now)
            historian.append_all([("plan", [refused]), ("verdict", [self._refusal(refused)])], cycle=cycle, time=now)
        verdict = self._verdict(plan)
        groups = [("situation", [situation]), ("forecast", situation.forecasts), ("health", situation.health)]
        historian.append_all(groups, cycle=cycle, time=now)
        historian.append_all([("plan", [plan]), ("verdict", [verdict])], cycle=cycle, time=now)
        if plan.commands:
            historian.append("command", plan.commands, cycle=cycle, time=now)
            ends = [self._outcome(command) for command in plan.commands]
            historian.append("outcome", ends, cycle=cycle, time=now + timedelta(seconds=40))
        if self.cycles:
            self._figures(cycle, now)
        if self.cycles % 40 == 20:
            self._alarm(cycle, now)
        self._before = {machine.name: intended(machine, now) for machine in MACHINES}
        self.time, self.cycles = now + STEP, self.cycles + 1

    def _site_kw(self, shot: Snapshot) -> float:
        return sum(shot.number(f"{machine.name}.power") or 0.0 for machine in MACHINES) + (shot.number("base.power") or 0.0)

    @staticmethod
    def _load(now: datetime) -> Forecast:
        times = [now + STEP * i for i in range(HORIZON)]
        p50 = tuple(base_kw(time) for time in times)
        spread = tuple(4.0 + 7.0 * i / HORIZON for i in range(HORIZON))

        def series(values: tuple[float, ...], unit: str = "kW") -> Series:
            return Series(start=now, step_s=STEP.total_seconds(), values=values, unit=unit)

        return Forecast(
            target="base.power",
            made_at=now,
            model_id="seasonal_naive-1",
            p10=series(tuple(mid - width for mid, width in zip(p50, spread, strict=True))),
            p50=series(p50),
            p90=series(tuple(mid + width for mid, width in zip(p50, spread, strict=True))),
        )

    def _situation(self, shot: Snapshot) -> Situation:
        now, site = shot.time, self.loaded.site
        load = self._load(now)

        def series(values: tuple[float, ...], unit: str = "kW") -> Series:
            return Series(start=now, step_s=STEP.total_seconds(), values=values, unit=unit)

        prices = Prices(
            energy=series(tuple(price(now + STEP * i) for i in range(HORIZON)), "EUR/kWh"),
            export=series((0.05,) * HORIZON, "EUR/kWh"),
            demand_charge_per_kw=9.5,
            peak_so_far_kw=self._peak,
        )
        return Situation(
            id=content_id("s", "works", now),
            site="works",
            time=now,
            step_s=STEP.total_seconds(),
            steps=HORIZON,
            snapshot=shot,
            assets=tuple(self._state(machine, shot) for machine in MACHINES),
            stores=tuple(StoreState(store=name, level=shot.number(f"{name}.level")) for name in STORES),
            envelopes=(),
            store_specs=site.stores,
            flows=(),
            services=site.services,
            jobs=(),
            load_target="base.power",
            forecasts=(load,),
            ambient=(),
            health=tuple(self._health(machine, now) for machine in MACHINES if machine.kind != "load"),
            credibility=(),
            prices=prices,
            limits=(Limit(name="import_kw", high=LIMIT_KW),),
            locks=(),
            previous=None,
            seed=self.seed,
            versions=(),
        )

    def _state(self, machine: Machine, shot: Snapshot) -> AssetState:
        mode = self.loaded.site.control.mode
        return AssetState(
            asset=machine.name,
            running=shot.truth(f"{machine.name}.running"),
            since=None if machine.hours == (0, 24) else shot.time - timedelta(minutes=35),
            setpoint=shot.number(f"{machine.name}.setpoint"),
            power_kw=shot.number(f"{machine.name}.power"),
            starts_today=0 if machine.hours == (0, 24) else 1,
            mode=Mode.OBSERVE if machine.name == "lighting" else mode,
            permit=Permit(),
            released=machine.kind in {"load", "pv"},
        )

    def _health(self, machine: Machine, now: datetime) -> Health:
        worn = min(0.25, 0.0012 * self.cycles) if machine.name == "compressor_1" else 0.0
        score = max(0.05, machine.score - worn)
        severity = Severity.A if score > 0.85 else Severity.B if score > 0.65 else Severity.C if score > 0.35 else Severity.D
        drivers = ()
        if score < 0.65:
            tag = f"{machine.name}.bearing"
            drivers = (
                Driver(tag=tag, expected=49.5, actual=66.2, share=0.71),
                Driver(tag=f"{machine.name}.power", expected=38.1, actual=41.9, share=0.29),
            )
        return Health(
            asset=machine.name,
            time=now,
            score=score,
            severity=severity,
            alarm=score < 0.65,
            drivers=drivers,
            hours_to_d=(60.0, 140.0, 300.0) if drivers else None,
            model_id="isolation_forest-1",
        )

    def _plan(self, situation: Situation, strategy: str = "optimal") -> Plan:
        now = situation.time
        times = [now + STEP * i for i in range(HORIZON)]
        step_s = STEP.total_seconds()

        def series(values: list[float], unit: str) -> Series:
            return Series(start=now, step_s=step_s, values=tuple(values), unit=unit)

        courses = tuple(
            Course(
                asset=machine.name,
                on=series([float(intended(machine, time)[0]) for time in times], "1"),
                setpoint=series([intended(machine, time)[1] or 0.0 for time in times], machine.unit)
                if machine.setpoint is not None
                else None,
                power_kw=series([drawn_kw(machine, time) for time in times], "kW"),
            )
            for machine in MACHINES
        )
        commands = tuple(self._commands(now)) if strategy == "optimal" else ()
        return Plan(
            id=content_id("p", strategy, now),
            made_at=now,
            until=now + STEP * HORIZON,
            strategy=strategy,
            commands=commands,
            courses=courses,
            stores=tuple(
                StoreCourse(store=name, level=series([level(name, time) for time in [*times, times[-1] + STEP]], "1"))
                for name in STORES
            ),
            objective=812.4,
            bound=809.9,
            gap=0.0031,
            binding=("import_kw 17:15-18:00", "air_receiver low 06:30"),
            rejected=Rejected(words="stop compressor_1 until 14:00", objective=815.9),
            words="shift air and heat out of 17:00-21:00, discharge the battery into it",
            situation=situation.id,
        )

    def _commands(self, now: datetime) -> list[Command]:
        found = []
        for machine in MACHINES:
            if machine.kind in {"load", "pv"} or machine.name not in self._before:
                continue
            was_on, was_at = self._before[machine.name]
            on, setpoint = intended(machine, now)
            if (on, setpoint if on else None) == (was_on, was_at if was_on else None):
                continue
            dear = price(now) > 0.25
            action = Action.SHUTDOWN if not on else Action.OPTIMIZE if setpoint is not None else Action.STARTUP
            found.append(
                Command(
                    id=content_id("c", machine.name, now),
                    asset=machine.name,
                    action=action,
                    setpoint=setpoint if action is Action.OPTIMIZE else None,
                    at=now,
                    expires=now + timedelta(minutes=5),
                    reason=Reason.PRICE_HIGH if dear else Reason.PRICE_LOW,
                    words=f"energy costs {price(now):.2f} EUR/kWh now"
                    + (", the store carries it to 21:00" if dear else ", cheaper than later today"),
                    expected_power_kw=drawn_kw(machine, now),
                )
            )
        return found

    def _outcome(self, command: Command) -> Outcome:
        control = self.loaded.site.control.mode is Mode.CONTROL
        bad = self._rng.random() < 0.12
        kind = OutcomeKind.NOT_SENT if not control else OutcomeKind.NO_EFFECT if bad else OutcomeKind.CONFIRMED
        words = "" if kind is OutcomeKind.CONFIRMED else "state reads stopped" if control else "ADVISE: waits for approval"
        return Outcome(
            command_id=command.id,
            kind=kind,
            time=command.at + timedelta(seconds=40),
            written_at=command.at + timedelta(seconds=2) if control else None,
            setpoint_read=command.setpoint,
            running_read=command.action is not Action.SHUTDOWN,
            power_expected_kw=command.expected_power_kw,
            power_measured_kw=(command.expected_power_kw or 0.0) * 1.02,
            words=words,
        )

    def _verdict(self, plan: Plan) -> Verdict:
        return Verdict(
            plan_id=plan.id,
            ok=True,
            violations=(),
            tolerated=(
                Violation(
                    rule="store_low",
                    asset="office_zone",
                    time=plan.made_at,
                    found=19.3,
                    limit=19.5,
                    share=0.02,
                    words="2 % of futures",
                ),
            ),
            expected=(
                Spread(key="cost", p5=781.0, p50=812.0, p95=866.0, mean=815.2),
                Spread(key="energy_kwh", p5=4010.0, p50=4105.0, p95=4260.0, mean=4112.0),
                Spread(key="demand_peak_kw", p5=331.0, p50=348.0, p95=379.0, mean=350.0),
                Spread(key="served_share", p5=0.998, p50=1.0, p95=1.0, mean=0.9996),
            ),
            nothing=(
                Spread(key="cost", p5=866.0, p50=905.0, p95=958.0, mean=908.0),
                Spread(key="energy_kwh", p5=4170.0, p50=4270.0, p95=4420.0, mean=4275.0),
                Spread(key="demand_peak_kw", p5=372.0, p50=391.0, p95=418.0, mean=392.0),
                Spread(key="served_share", p5=0.999, p50=1.0, p95=1.0, mean=0.9997),
            ),
            futures=50,
            seed=self.seed,
            credibility=0.91,
        )

    def _refusal(self, plan: Plan) -> Verdict:
        broken = Violation(
            rule="store_low",
            asset="air_receiver",
            time=plan.made_at + STEP * 9,
            found=6.2,
            limit=6.5,
            share=0.34,
            words="in 34 % of futures",
        )
        return Verdict(
            plan_id=plan.id,
            ok=False,
            violations=(broken,),
            futures=50,
            seed=self.seed,
            credibility=0.91,
            words="air would run short",
        )

    def _figures(self, cycle: str, now: datetime) -> None:
        hours = STEP.total_seconds() / 3600
        mid = now - STEP / 2
        actual = sum(drawn_kw(machine, mid) for machine in MACHINES) + base_kw(mid)
        alone = sum(alone_kw(machine, mid) for machine in MACHINES) + base_kw(mid)
        for kind, kw in (("kpi", actual), ("nothing", alone)):
            span = Kpi(
                start=now - STEP,
                end=now,
                energy_kwh=max(kw, 0.0) * hours,
                cost=kw * hours * price(mid),
                demand_peak_kw=kw,
                co2_kg=max(kw, 0.0) * hours * 0.38,
                served_share=1.0,
                starts=0,
                violations=0,
                health_min=0.4,
            )
            self.historian.append(kind, [span], cycle=cycle, time=now)

    def _alarm(self, cycle: str, now: datetime) -> None:
        alarm = Alarm(
            id=content_id("a", "health", "compressor_1", now),
            rule="health_zone_C",
            asset="compressor_1",
            priority=Priority.MEDIUM,
            state=AlarmState.UNACKNOWLEDGED,
            raised_at=now,
            changed_at=now,
            words="compressor_1 is in zone C: bearing 66 °C, expected 50 °C",
            cause="Fouled cooler or worn bearing.",
            consequence="More power per Nm³; trip on temperature is possible.",
            advice="Clean the cooler at the next stop.",
        )
        words = "compressor_1 moved from zone B to zone C"
        event = Event(id=content_id("e", now), time=now, kind="health", asset="compressor_1", words=words)
        self.historian.append_all([("alarm", [alarm]), ("event", [event])], cycle=cycle, time=now)


def _reading(tag: str, time: datetime, value: float | bool | None) -> Reading:
    return Reading(tag=tag, time=time, value=value, quality=Quality.BAD if value is None else Quality.GOOD)
