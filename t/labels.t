#!/usr/bin/perl

# The labels of all languages: the same names and placeholders, each one used,
# each form and error spoken for, and every language's own typography.  That
# no template names a missing label is what nginx -t refuses.

use strict;
use warnings;
use utf8;

use Encode qw(decode FB_CROAK);
use JSON::PP ();
use Test::More;

use lib 't/lib';
use Portal::Place qw(slurp top);

chdir top() or die;
binmode $_, ':encoding(UTF-8)' for Test::More->builder->output,
    Test::More->builder->failure_output;

# labels that nothing names literally
my %UNNAMED = map { $_ => 1 } qw(display.yes display.no display.none
    display.unanswered);

# the town's guide writes these with the typewriter's apostrophe, and so does
# the screen: a parent finds the words of the paper
my @GUIDE = ("S'inscrire", "S'abonner à l'espace famille", "M'abonner",
    "Je n'ai pas de code abonné");

sub text { decode('UTF-8', slurp($_[0]), FB_CROAK) }

my %labels;
for my $file (glob 'src/lang/*.json') {
    my ($lang) = $file =~ /(\w+)\.json$/;
    flatten($labels{$lang} = {}, JSON::PP->new->decode(text($file)), '');
}

sub flatten {
    my ($flat, $tree, $name) = @_;

    for my $key (keys %$tree) {
        my $value = $tree->{$key};
        if (ref $value) { flatten($flat, $value, "$name$key.") }
        else            { $flat->{"$name$key"} = $value }
    }
}

# a plural: its forms are the language's own, beside "other" and what counts
sub plural {
    my ($name) = @_;

    my ($base, $form) = $name =~ /^(.+)\.(count|zero|one|other)$/ or return;

    return exists $labels{fr}{"$base.count"}
        && exists $labels{fr}{"$base.other"} ? ($base, $form) : ();
}


### one language as the other

ok $labels{fr} && $labels{en}, 'French and English are there';

for my $lang (sort grep { $_ ne 'fr' } keys %labels) {
    my $own = $labels{$lang};
    my $needed = sub { (plural($_[0]))[1] // '' !~ /^(?:zero|one)$/ };

    is join(' ', grep { !exists $own->{$_} && $needed->($_) }
        sort keys %{ $labels{fr} }), '', "$lang lacks no label of fr";
    is join(' ', grep { !exists $labels{fr}{$_} && $needed->($_) }
        sort keys %$own), '', "$lang has no label that fr lacks";

    my @differ = grep { marks($own->{$_}) ne marks($labels{fr}{$_}) }
        grep { exists $own->{$_} && !((plural($_))[1] // '') } sort keys %$own;
    is "@differ", '', "$lang: the same placeholders";

    is_deeply [grep { ($own->{$_} eq '') != ($labels{fr}{$_} eq '') }
        grep { exists $labels{fr}{$_} } sort keys %$own], [],
        "$lang: empty where fr is";
    is_deeply [grep { /\.count$/ && plural($_)
        && $own->{$_} ne $labels{fr}{$_} } sort keys %$own], [],
        "$lang: plurals count the same";
}

sub marks { join ' ', sort $_[0] =~ /(\{\{.*?\}\})/g }


### no label without a use

my $templates = join "\n", map { text($_) } template_files();
my %used = map { $_ => 1 }
    join("\n", $templates, map { values %$_ } values %labels)
        =~ /\{\{[{&]?\s*t\.([\w.]+)/g;
my %shown = map { $_ => 1 } $templates =~ /\bdisplay\.(?:\w+\.)*(\w+)/g;

sub template_files { glob 'src/templates/*.mustache src/templates/*/*.mustache' }

my $code = join "\n", map { text($_) } glob 'src/*.c src/*/*.c';
my $sql = join "\n", map { text($_) } glob 'sql/functions/*.sql';
# which pair of colours is too weak says the constraint of the town's theme
my $pairs = text('sql/migrations/056_theme.sql');
$used{$_} = 1 for $code =~ /"([a-z_]+(?:\.\w+)+)"/g;

# forms: { form => { field => options } }
my (%forms, %fields, %groups);
for my $file (glob 'conf.d/portal/forms/*.form') {
    my ($form) = $file =~ m{([^/]+)\.form$};
    $groups{$_} = 1 for text($file) =~ /^group\s+(\w+)/mg;
    for (text($file) =~ /^field\s+(.*)/mg) {
        my ($field, $type) = split;
        my ($options) = /\boptions=(\S+)/;
        my $hidden = (/\bhidden\b/ || $type =~ /^(?:token|path)$/) ? 1 : 0;
        $fields{$field} //= {};
        $forms{$form}{$field} = { hidden => $hidden };
        next if $hidden;    # a button or a row says what it is
        $fields{$field}{$_} = $forms{$form}{$field}{options}{$_} = 1 for split /,/, $options // '';
    }
}
my %types = map { $_ => 1 }
    qw(text lines name email password phone date choice yesno code integer cents
    shares country postcode iban bic tax_number tax_notice caf_number colour file token
    path otp);

# what the C or the SQL could have said
sub said { my $w = quotemeta $_[0]; $code =~ /"$w"/ || $sql =~ /'$w'/ || $pairs =~ /'$w'/ }

sub in_use {
    my ($name) = @_;

    $name = (plural($name))[0] // $name;
    my ($head, @rest) = split /\./, $name;

    return 1 if $UNNAMED{$name} || $used{$name};
    return said($rest[-1]) && (@rest == 1 || exists $fields{ $rest[0] }
        || $types{ $rest[0] } || $rest[0] eq 'captcha'
        # what stands in an address is of no form
        || $sql =~ /refused\('$rest[0]', '$rest[-1]'/) if $head eq 'error';
    return @rest == 2 && ($rest[1] =~ /^(?:title|message)$/ || said(".$rest[1]"))
        && ($rest[0] =~ /^[45]\d\d$/ || said($rest[0])) if $head eq 'problem';
    return $shown{ $rest[0] } || exists $fields{ $rest[0] }
        || exists $forms{ $rest[0] } || grep { $labels{fr}{"list.$_"} // '' eq $rest[0] } keys %shown
        if $head eq 'list';

    return @rest == 1 && $types{ $rest[0] } if $head eq 'hint';
    return @rest == 1 && $groups{ $rest[0] } if $head eq 'group';

    if ($head eq 'field') {
        return 0 if pop(@rest) !~ /^(?:label|hint)$/;
        return @rest == 1 ? exists $fields{ $rest[0] }
            : exists $forms{ $rest[0] } && $forms{ $rest[0] }{ $rest[1] };
    }

    return 0;
}

is join(' ', grep { !in_use($_) } sort keys %{ $labels{fr} }), '',
    'each label is used';

# the other way: forms
my @mute;
for my $form (sort keys %forms) {
    for my $field (sort keys %{ $forms{$form} }) {
        next if $forms{$form}{$field}{hidden};
        push @mute, "$form.$field"
            if !grep { length($labels{fr}{$_} // '') }
                "field.$form.$field.label", "field.$field.label",
                "list.field.$field";
        push @mute, map { "$form.$field: $_" }
            grep { !exists $labels{fr}{"list.$field.$_"} && !exists $labels{fr}{"list.$form.$_"} }
            keys %{ $forms{$form}{$field}{options} };
    }
}
push @mute, grep { !exists $labels{fr}{"group.$_"} } sort keys %groups;
is join(', ', @mute), '', 'each visible field of a form has a label';

# and errors
my @unsaid;
my $all = "$sql\n$code";
while ($all =~ /(?:\brefused\(|add_error\(ctx,\s*)(['"])(\w*)\1,\s*\1(\w+)\1/g) {
    push @unsaid, "$2 $3" if !exists $labels{fr}{"error.$2.$3"}
        && !exists $labels{fr}{"error.$3"};
}
is join(', ', @unsaid), '', 'each error that is told has a message';

# a kind of mail, or what the audit notes, is shown at /mes-donnees
my @kinds = map { m{mail/(\w+)\.subject} ? "mail.$1" : () } template_files();
my ($checked) = slurp(top() . '/src/ngx_http_portal_conf_page.c')
    =~ /ngx_http_portal_mails\[\] = \{(.*?)\}/s;
is join(' ', sort map { "mail.$_" } $checked =~ /"(\w+)"/g), join(' ', sort @kinds),
    'nginx -t checks each mail';
push @kinds, "action.$1", $2 ? "outcome.$2" : ()
    while $sql =~ /\b(?:note\(|into audit\b[^;]*?\bselect \w+, )'(\w+)',\s*(?:'(\w+)')?/g;
is join(', ', grep { !exists $labels{fr}{"list.$_"} } @kinds), '',
    'each mail and operation that one reads of has a name';

# and what an agent could not do is noted by the error's code, which may come
# from what the function calls
my %body;
$body{$1} .= $2 while $sql =~ /^create or replace function (\w+)\((.*?)(?=^create or replace function |\z)/gms;
my %noted;
for my $name (grep { $body{$_} =~ /\bnote\('\w+',[^;]*?(?:->>'code'|,code\}')/ } keys %body) {
    my %reached = ($name => 1);
    for (1, 2) {
        $reached{$_} = 1 for grep { $body{$_} && !/^(?:repeated|done)\z/ }
            map { $body{$_} =~ /\b(\w+)\(/g } keys %reached;
    }
    $noted{$_} = 1 for map { $body{$_} =~ /\brefused\([^,()]*,\s*'(\w+)'/g,
        $body{$_} =~ /'code',\s*'(\w+)'/g, $body{$_} =~ /'(too_many_\w+)'/g } keys %reached;
}
# told and not noted, noted as too_many, or of a function's other callers
delete @noted{qw(conflict_decided too_many_filings too_many_readings filter import_conflict import_over)};
cmp_ok scalar(keys %noted), '>', 20, 'refusals are noted';
is join(', ', grep { !exists $labels{fr}{"list.outcome.$_"} } sort keys %noted), '',
    'each has a name in the journal';

# what the journal of the agents' host offers and shows
my ($offered) = $sql =~ /function journal_kinds\(.*?\n(.*?)\nend;/s;
my %offered = map { $_ => 1 } map { /'(\w+)'/g } $offered =~ /array\[(.*?)\]/gs;
is join(', ', grep { !$offered{$_} } sort keys %{ { map { /^action\.(.*)/ ? ($1 => 1) : () } @kinds } }), '',
    'each operation is of a kind of the journal';
is join(', ', grep { !exists $labels{fr}{"list.action.$_"} } sort keys %offered), '', 'and has a name there';
is join(', ', grep { !exists $labels{fr}{"list.journal_kind.$_"} } $offered =~ /\('(\w+)', array/g), '', 'as each kind has';
is join(', ', grep { !exists $labels{fr}{"list.object.$_"} }
    $sql =~ /\bnote\('\w+',\s*[^;]*?,\s*'(\w+)',\s*[^;']+\);/g), '', 'and what it was done to';


### typography

my %rules = (
    fr => [
        [qr/(?<!\x{a0})[:»]/,     'a no-break space before : and »'],
        [qr/«(?!\x{a0})/,         'a no-break space after «'],
        [qr/(?<!\x{202f})[;!?]/,  'a narrow no-break space before ; ! ?'],
        [qr/[“”‘]/,               'guillemets are « »'],
        # what stands there may begin with a vowel
        [qr/\b(?:de|que)(?:[ \x{a0}]x\b|$)/, 'no placeholder after « de » or « que »'],
    ],
    en => [
        [qr/[ \x{a0}\x{202f}][;:!?,.]/, 'no space before a stop'],
        [qr/[«»]/,                'quotes are “ ”'],
    ],
    all => [
        [qr/'/,                   'the apostrophe is ’'],
        [qr/"/,                   'no straight quotes'],
        [qr/\.\.\./,              'the ellipsis is …'],
        [qr/  | $(?<!: )|^ |\t|\n/, 'no spare spaces'],
    ],
);

for my $lang (sort keys %labels) {
    for my $rule (@{ $rules{$lang} // [] }, @{ $rules{all} }) {
        my ($wrong, $name) = @$rule;
        my @bad;

        for my $label (sort keys %{ $labels{$lang} }) {
            my $words = $labels{$lang}{$label};
            $words =~ s/\{\{.*?\}\}/x/g;
            $words =~ s/\Q$_\E//g for @GUIDE;
            push @bad, "$label: $labels{$lang}{$label}" if $words =~ $wrong;
        }
        is join("\n", @bad), '', "$lang: $name";
    }
}

done_testing;
