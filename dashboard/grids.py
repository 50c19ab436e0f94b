"""Tables that can be sorted, filtered and selected from (AG Grid, community edition)."""

from __future__ import annotations

from typing import Any, Literal

from dash_ag_grid import AgGrid

Column = dict[str, Any]
"""A column as AG Grid describes it."""


def column(field: str, head: str, width: int | None = None, **more: Any) -> Column:
    """A column; a width in pixels, or what is left over."""
    size = {"width": width} if width is not None else {"flex": 1, "minWidth": 160}
    return {"field": field, "headerName": head, "tooltipField": field, **size, **more}


def number_column(field: str, head: str, width: int) -> Column:
    """A column of figures, written to the right."""
    return column(field, head, width, type="rightAligned")


def grid(name: str, columns: list[Column], select: Literal["singleRow", "multiRow"] = "singleRow") -> AgGrid:
    """An empty grid; rows need a field `id`."""
    return AgGrid(
        id=name,
        columnDefs=columns,
        rowData=[],
        getRowId="params.data.id",
        className="ag-host",
        style={"height": "100%", "width": "100%"},
        defaultColDef={"sortable": True, "filter": True, "resizable": True, "suppressHeaderMenuButton": False},
        dashGridOptions={
            "rowSelection": {
                "mode": select,
                "checkboxes": select == "multiRow",
                "headerCheckbox": select == "multiRow",
                "enableClickSelection": True,
            },
            "rowHeight": 30,
            "headerHeight": 32,
            "animateRows": False,
            "tooltipShowDelay": 400,
        },
        rowClassRules={"row-attention": "params.data.look == 'attention'", "row-alarm": "params.data.look == 'alarm'"},
    )
