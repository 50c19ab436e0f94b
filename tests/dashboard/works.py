"""A small works with a day behind it: the records that a controller would have journalled, made by a few lines of physics."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from ems.config import LoadedSite
from ems.historian import Historian
from plant.assets import Asset, AssetTags, Life, Mode, Service, Store, TagWrite
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
from plant.site import Connection, Control, Identity, LockStep, Site, SiteLimits, Storage
from plant.situation import AssetState, Limit, Permit, Situation, StoreState
from plant.tags import Quality, Reading, Snapshot, Tag
from plant.tariff import Band, Prices, Tariff, TimeOfUsePrice

STEP = timedelta(minutes=15)
READ = timedelta(minutes=5)
BEGIN = datetime(2026, 3, 9, 6, 0, tzinfo=UTC)
HORIZON = 96
LIMIT_KW = 420.0


@dataclass(frozen=True)
class Machine:
    name: str
    kind: str
    kw: float
    path: str
    hours: tuple[int, int]
    setpoint: float | None = None
    unit: str = ""
    store: str | None = None
    score: float = 0.97


MACHINES = (
    Machine("production_line", "production_line", 95.0, "hall_1/forming", (6, 22), 0.9, "1", score=0.94),
    Machine("heavy_press", "load", 60.0, "hall_1/forming", (7, 19), score=0.88),
    Machine("compressor_1", "compressor", 45.0, "utilities/air", (5, 23), 0.85, "1", "air_receiver", 0.46),
    Machine("compressor_2", "compressor", 45.0, "utilities/air", (8, 17), 0.7, "1", "air_receiver", 0.93),
    Machine("hvac_office", "heat_pump", 28.0, "offices/climate", (6, 20), 0.6, "1", "office_zone"),
    Machine("hvac_hall", "heat_pump", 40.0, "hall_1/climate", (5, 21), 0.7, "1", "hall_zone"),
    Machine("pump_motors", "pump", 22.0, "utilities/water", (0, 24), 0.8, "1", score=0.90),
    Machine("server_cooling", "heat_pump", 18.0, "offices/it", (0, 24)),
    Machine("conveyor", "load", 15.0, "hall_1/logistics", (6, 22)),
    Machine("lighting", "load", 24.0, "hall_1/light", (6, 22)),
    Machine("battery", "battery", 60.0, "utilities/grid", (0, 24), 0.0, "kW", "battery"),
    Machine("pv", "pv", -90.0, "utilities/grid", (7, 18)),
)


def site(mode: Mode = Mode.CONTROL, lock_step: bool = True, database: str | None = None) -> Site:
    """The works as a record."""
    tags = [
        tag
        for machine in MACHINES
        for tag in (
            Tag(name=f"{machine.name}.power", unit="kW"),
            Tag(name=f"{machine.name}.running", unit="1"),
            *([Tag(name=f"{machine.name}.setpoint", unit=machine.unit)] if machine.setpoint is not None else []),
            *([Tag(name=f"{machine.name}.bearing", unit="°C")] if machine.kind in {"compressor", "pump"} else []),
        )
    ]
    levels = (("air_receiver", "bar"), ("office_zone", "°C"), ("hall_zone", "°C"), ("battery", "kWh"))
    return Site(
        site=Identity(name="works", path="Northfield/Works_2", timezone="Europe/Berlin", country="DE", simulated=True),
        connection=Connection(
            endpoint="opc.tcp://127.0.0.1:4840",
            lock_step=LockStep(clock="s=Clock", epoch=BEGIN, advance="s=Advance") if lock_step else None,
        ),
        tariff=Tariff(
            energy=TimeOfUsePrice(
                kind="time_of_use",
                bands=(
                    Band(hours="00:00-06:00", per_kwh=0.11),
                    Band(hours="06:00-10:00", per_kwh=0.29),
                    Band(hours="17:00-21:00", per_kwh=0.34),
                ),
                otherwise_per_kwh=0.19,
            ),
            demand_charge_per_kw=9.5,
        ),
        tags=(*tags, *(Tag(name=f"{name}.level", unit=unit) for name, unit in levels), Tag(name="base.power", unit="kW")),
        services=(Service(name="air", unit="Nm3"), Service(name="heat", unit="kWh"), Service(name="charge", unit="kWh")),
        stores=(
            Store(name="air_receiver", service="air", level="air_receiver.level", unit="bar", bottom=5, top=10, low=6.5, high=8.5),
            Store(name="office_zone", service="heat", level="office_zone.level", unit="°C", bottom=5, top=40, low=19.5, high=23),
            Store(name="hall_zone", service="heat", level="hall_zone.level", unit="°C", bottom=5, top=40, low=16, high=20),
            Store(name="battery", service="charge", level="battery.level", unit="kWh", bottom=0, top=240, low=24, high=216),
        ),
        assets=tuple(_asset(machine) for machine in MACHINES),
        limits=SiteLimits(import_kw=LIMIT_KW, load="base.power"),
        control=Control(mode=mode),
        storage=Storage(url=database, url_env=None),
    )


def _asset(machine: Machine) -> Asset:
    name = machine.name
    sensors = (f"{name}.bearing",) if machine.kind in {"compressor", "pump"} else ()
    return Asset(
        name=name,
        kind=machine.kind,
        path=machine.path,
        into=machine.store,
        tags=AssetTags(
            power=f"{name}.power",
            running=f"{name}.running",
            setpoint=f"{name}.setpoint" if machine.setpoint is not None else None,
            command=f"{name}.command",
            setpoint_write=f"{name}.setpoint" if machine.setpoint is not None else None,
            sensors=sensors,
        ),
        life=Life(setpoint_nominal=machine.setpoint),
        release=(TagWrite(tag=f"{name}.command", value="AUTO"),),
    )


def loaded(folder: Path, mode: Mode = Mode.CONTROL, *, lock_step: bool = True) -> LoadedSite:
    """The works with a database of its own."""
    database = f"sqlite:///{folder / 'works.sqlite'}"
    return LoadedSite(site=site(mode, lock_step, database), folder=folder, file=folder / "site.toml")


def _hour(time: datetime) -> float:
    local = time + timedelta(hours=1)
    return local.hour + local.minute / 60


def price(time: datetime) -> float:
    hour = _hour(time)
    return 0.11 if hour < 6 else 0.29 if hour < 10 else 0.34 if 17 <= hour < 21 else 0.19


def intended(machine: Machine, time: datetime) -> tuple[bool, float | None]:
    """What the plan does: shifts what it may out of the dear hours."""
    hour = _hour(time)
    on = machine.hours[0] <= hour < machine.hours[1]
    if machine.name == "compressor_2":
        on = on and not 12 <= hour < 14
    if machine.name == "hvac_hall":
        on = 3 <= hour < 9 or 11 <= hour < 17
    if machine.name == "hvac_office":
        on = 4.5 <= hour < 9 or 10 <= hour < 17
    if machine.name == "battery":
        kw = 45.0 if hour < 5 else -55.0 if 17 <= hour < 20.5 else -30.0 if 7 <= hour < 9 else 20.0 if 11 <= hour < 15 else 0.0
        return kw != 0.0, kw
    return on, machine.setpoint


def drawn_kw(machine: Machine, time: datetime) -> float:
    """Power by plan, without noise."""
    on, setpoint = intended(machine, time)
    if not on:
        return 0.0
    if machine.name == "battery":
        return setpoint or 0.0
    if machine.name == "pv":
        return machine.kw * max(0.0, float(np.sin(np.pi * (_hour(time) - 7) / 11)))
    return machine.kw * (0.25 + 0.75 * setpoint if setpoint is not None else 1.0)


def alone_kw(machine: Machine, time: datetime) -> float:
    """Power under local control: by its hours, the battery idle."""
    if machine.name == "battery":
        return 0.0
    if machine.name == "pv":
        return drawn_kw(machine, time)
    hour = _hour(time)
    return machine.kw * 0.94 if machine.hours[0] <= hour < machine.hours[1] else machine.kw * 0.12 * (machine.kind == "compressor")


def base_kw(time: datetime) -> float:
    hour = _hour(time)
    return 42.0 + 26.0 * float(np.exp(-(((hour - 11.5) / 4.2) ** 2)))


def level(store: str, time: datetime) -> float:
    hour = _hour(time)
    if store == "air_receiver":
        return 7.5 + 0.55 * float(np.sin(hour * 2.3)) + 0.25 * float(np.sin(hour * 7.1))
    if store == "office_zone":
        return 21.1 + 1.0 * float(np.sin((hour - 5) / 24 * 2 * np.pi)) + 0.35 * float(np.sin(hour * 1.7))
    if store == "hall_zone":
        return 17.9 + 1.1 * float(np.sin((hour - 6) / 24 * 2 * np.pi)) + 0.3 * float(np.sin(hour * 1.3))
    return 118.0 + 74.0 * float(np.sin((hour + 1) / 24 * 2 * np.pi))


STORES = ("air_receiver", "office_zone", "hall_zone", "battery")


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
                hot = 48.0 + (1 - machine.score) * 40 + 2.5 * float(np.sin(_hour(time))) + 0.6 * float(self._rng.standard_normal())
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

    def _situation(self, shot: Snapshot) -> Situation:
        now, site = shot.time, self.loaded.site
        times = [now + STEP * i for i in range(HORIZON)]
        p50 = tuple(base_kw(time) for time in times)
        spread = tuple(4.0 + 7.0 * i / HORIZON for i in range(HORIZON))

        def series(values: tuple[float, ...], unit: str = "kW") -> Series:
            return Series(start=now, step_s=STEP.total_seconds(), values=values, unit=unit)

        load = Forecast(
            target="base.power",
            made_at=now,
            model_id="seasonal_naive-1",
            p10=series(tuple(mid - width for mid, width in zip(p50, spread, strict=True))),
            p50=series(p50),
            p90=series(tuple(mid + width for mid, width in zip(p50, spread, strict=True))),
        )
        prices = Prices(
            energy=series(tuple(price(time) for time in times), "EUR/kWh"),
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
