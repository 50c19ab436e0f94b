"""Open-Meteo and Energi Data Service in small, on loopback: answers of their shape, and faults when they are told to fail."""

from __future__ import annotations

import json
import math
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


def temperature(hour: datetime) -> float:
    """The weather that comes: a daily course, and a level from day to day that neither calendar nor yesterday knows."""
    day = hour.timestamp() / 86400
    before, after = (8 * math.sin(1.7 * number * number) for number in (int(day), int(day) + 1))
    return 10 + 4 * math.sin(2 * math.pi * (day - 0.4)) + before + (after - before) * (day % 1)


class Outside:
    """A server; `faults` are used up one by one before questions are answered."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.faults: list[int | str] = []
        """A status, `garbage`, or `silence`."""
        self.hidden: set[datetime] = set()
        """Hours that answers lack."""
        self.empty: set[datetime] = set()
        """Hours without a value."""
        self.unknown_before = datetime(2024, 1, 1, tzinfo=UTC)
        """Past forecasts are not known before this."""
        self.published_until = now + timedelta(days=2)
        """End of the prices."""
        self.questions: list[tuple[str, dict[str, str]]] = []
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                question = {name: values[0] for name, values in parse_qs(parts.query).items()}
                outside.questions.append((parts.path, question))
                fault = outside.faults.pop(0) if outside.faults else 200
                if fault == "silence":
                    time.sleep(1.5)  # noqa: TID251  # longer than the client's patience
                    return
                body = b"<html>gone" if fault == "garbage" else json.dumps(outside.answer(parts.path, question)).encode()
                self.send_response(fault if isinstance(fault, int) else 200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, question: dict[str, str]) -> object:
        return self._weather(path, question) if path.startswith("/v1/") else self._records(path, question)

    def _weather(self, path: str, question: dict[str, str]) -> object:
        if "start_date" in question:
            first, last = (datetime.fromisoformat(question[key]).replace(tzinfo=UTC) for key in ("start_date", "end_date"))
        else:
            first = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
            last = first + timedelta(days=int(question["forecast_days"]) - 1)
        hours = [first + timedelta(hours=number) for number in range(round((last - first).total_seconds() / 3600) + 24)]
        hours = [hour for hour in hours if hour not in self.hidden]
        before = self.unknown_before if "previous_day" in question["hourly"] else datetime(1940, 1, 1, tzinfo=UTC)
        off = 0.5 if "previous_day" in question["hourly"] else 0.0

        def value(name: str, hour: datetime) -> float | None:
            if hour in self.empty or hour < before:
                return None
            if name.startswith("temperature"):
                return round(temperature(hour) + off, 2)
            return max(0.0, 400 * math.sin(math.pi * (hour.hour - 6) / 12)) if name.startswith("shortwave") else 3.5

        hourly: dict[str, object] = {"time": [f"{hour:%Y-%m-%dT%H:%M}" for hour in hours]}
        hourly |= {name: [value(name, hour) for hour in hours] for name in question["hourly"].split(",")}
        return {"latitude": 52.5, "longitude": 13.4, "utc_offset_seconds": 0, "timezone": "GMT", "hourly": hourly}

    def _records(self, path: str, question: dict[str, str]) -> object:
        name = path.rpartition("/")[2]
        start, end = (datetime.fromisoformat(question[key]).replace(tzinfo=UTC) for key in ("start", "end"))
        column, key, step = {
            "Elspotprices": ("HourUTC", "SpotPriceEUR", 60),
            "DayAheadPrices": ("TimeUTC", "DayAheadPriceEUR", 15),
            "CO2Emis": ("Minutes5UTC", "CO2Emission", 5),
            "CO2EmisProg": ("Minutes5UTC", "CO2Emission", 5),
        }[name]
        stop = {"CO2Emis": self.now, "CO2EmisProg": self.now + timedelta(hours=20)}.get(name, self.published_until)
        rows, at = [], start
        while at < min(end, stop):
            value = 90.0 if name == "CO2EmisProg" else 70.0 if name == "CO2Emis" else 100.0 + at.hour
            rows.append({column: f"{at:%Y-%m-%dT%H:%M:%S}", "PriceArea": "DK1", key: value})
            at += timedelta(minutes=step)
        first, size = int(question["offset"]), int(question["limit"])
        return {"total": len(rows), "dataset": name, "records": rows[first : first + size]}
